//! Work on memory that the caller lends: checksums, and numbers that are changed in place.

use dipper_core::Error;
use dipper_core::interrupt::{self, Watch};
use dipper_wire::in_place::{self, Norm};
use dipper_wire::{Borrowed, Element, Elements, Float, Fnv1a64, NotElements, Stopped};

pub fn checksum_bytes(data: Borrowed<'_>, shared: f64, room: &mut [u8]) -> Result<(), Error> {
    let bytes: Elements<'_, u8> = elements(data, shared)?;
    let mut sum = Fnv1a64::default();
    let read = bytes.read(0..bytes.len(), watched(), |some| sum.update(some));
    read.map_err(|stopped| ended_early(stopped, "summed"))?;
    let sum = sum.finish().to_ne_bytes();
    let place = room.get_mut(..sum.len());
    place.ok_or_else(|| Error::internal("a sum needs room for eight bytes"))?.copy_from_slice(&sum);
    Ok(())
}

pub fn scale(data: Borrowed<'_>, shared: f64, width: f64, factor: f64) -> Result<(), Error> {
    fn on<E: Float>(mut numbers: Elements<'_, E>, factor: f64) -> Result<(), Error> {
        in_place::scale(&mut numbers, factor, watched())
            .map_err(|stopped| ended_early(stopped, "scaled"))
    }
    match Width::of(width)? {
        Width::Single => on::<f32>(elements(data, shared)?, factor),
        Width::Double => on::<f64>(elements(data, shared)?, factor),
    }
}

pub fn log(data: Borrowed<'_>, shared: f64, width: f64) -> Result<(), Error> {
    fn on<E: Float>(mut numbers: Elements<'_, E>) -> Result<(), Error> {
        in_place::ln(&mut numbers, watched())
            .map_err(|stopped| ended_early(stopped, "replaced by their logarithms"))
    }
    match Width::of(width)? {
        Width::Single => on::<f32>(elements(data, shared)?),
        Width::Double => on::<f64>(elements(data, shared)?),
    }
}

pub fn normalize(
    data: Borrowed<'_>,
    shared: f64,
    width: f64,
    norm: f64,
    dimension: f64,
) -> Result<(), Error> {
    fn on<E: Float>(
        mut numbers: Elements<'_, E>,
        norm: Norm,
        dimension: usize,
    ) -> Result<(), Error> {
        if dimension == 0 || !numbers.len().is_multiple_of(dimension) {
            let length = numbers.len();
            return Err(Error::invalid(format!(
                "{length} numbers are no vectors of {dimension} numbers"
            )));
        }
        in_place::normalize(&mut numbers, norm, dimension, watched())
            .map_err(|stopped| ended_early(stopped, "normalized"))
    }
    let norm = match norm {
        0.0 => Norm::L2,
        1.0 => Norm::MinMax,
        2.0 => Norm::ZScore,
        _ => return Err(Error::internal("there is no such norm")),
    };
    // What is no count of anything becomes zero, and so is refused.
    let dimension = dimension as usize;
    match Width::of(width)? {
        Width::Single => on::<f32>(elements(data, shared)?, norm, dimension),
        Width::Double => on::<f64>(elements(data, shared)?, norm, dimension),
    }
}

enum Width {
    Single,
    Double,
}

impl Width {
    fn of(width: f64) -> Result<Self, Error> {
        match width {
            4.0 => Ok(Self::Single),
            8.0 => Ok(Self::Double),
            _ => Err(Error::internal("numbers have four or eight bytes")),
        }
    }
}

fn elements<E: Element>(data: Borrowed<'_>, shared: f64) -> Result<Elements<'_, E>, Error> {
    data.elements(shared != 0.0).map_err(|why| {
        Error::invalid(match why {
            NotElements::Length { bytes, element } => {
                format!("{bytes} bytes are no numbers of {element} bytes each")
            }
            NotElements::Alignment { off, element } => format!(
                "the memory starts {off} bytes behind where numbers of {element} bytes may start"
            ),
        })
        .hint("copy it first, with slice()")
    })
}

/// What the native loops ask before each step.
fn watched() -> impl Fn() -> bool {
    let watch = Watch::begin();
    move || watch.stopped()
}

fn ended_early(stopped: Stopped, what: &str) -> Error {
    interrupt::stopped(format_args!("{} elements were {what} by then", stopped.0))
}
