//! A walk over what Thrift's compact protocol wrote, before a decoder believes it.
//!
//! A decoder reserves room for as many things as a list says that it has, and an allocation that
//! fails ends the process. So the walk goes first: it reads each field as the decoder does,
//! refuses lists that are longer than what is left of the input, fields of another type than the
//! format gives them, and what is nested too deeply. It keeps nothing.
//!
//! The protocol: <https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md>.

use dipper_core::Error;

use crate::error::damaged;

/// Decoders skip no deeper than this.
const DEEPEST: usize = 64;

/// What a field holds.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shape {
    Bool,
    Byte,
    I16,
    I32,
    I64,
    Double,
    Binary,
    Struct(&'static Layout),
    List(&'static Shape),
}

/// The fields of a structure that decoders read. Others are skipped.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) name: &'static str,
    pub(super) fields: &'static [(i16, Shape)],
}

/// Who looks on.
pub(super) trait Visit {
    /// A whole number.
    fn number(&mut self, _of: &'static str, _field: i16, _value: i64) -> Result<(), Error> {
        Ok(())
    }
    /// A list, before its elements.
    fn list(&mut self, _of: &'static str, _field: i16, _length: usize) -> Result<(), Error> {
        Ok(())
    }
    /// The end of a structure.
    fn end(&mut self, _of: &'static str) -> Result<(), Error> {
        Ok(())
    }
    /// A field that decoders skip.
    fn unknown(&mut self, _of: &'static str, _field: i16) -> Result<(), Error> {
        Ok(())
    }
}

/// Walks a structure, and says how many bytes it has.
pub(super) fn walk(
    bytes: &[u8],
    layout: &'static Layout,
    visit: &mut dyn Visit,
) -> Result<usize, Error> {
    let mut walk = Walk { left: bytes };
    walk.structure(layout, visit, DEEPEST)?;
    Ok(bytes.len() - walk.left.len())
}

const STOP: u8 = 0;
const TRUE: u8 = 1;
const FALSE: u8 = 2;
const BYTE: u8 = 3;
const I16: u8 = 4;
const I32: u8 = 5;
const I64: u8 = 6;
const DOUBLE: u8 = 7;
const BINARY: u8 = 8;
const LIST: u8 = 9;
const SET: u8 = 10;
const MAP: u8 = 11;
const STRUCT: u8 = 12;
const UUID: u8 = 13;

struct Walk<'a> {
    left: &'a [u8],
}

fn cut() -> Error {
    damaged("Parquet", "its description ends too early")
}

fn nested() -> Error {
    damaged("Parquet", "its description is nested too deeply")
}

impl Walk<'_> {
    fn byte(&mut self) -> Result<u8, Error> {
        let (first, rest) = self.left.split_first().ok_or_else(cut)?;
        self.left = rest;
        Ok(*first)
    }

    fn skip(&mut self, bytes: u64) -> Result<(), Error> {
        let bytes = usize::try_from(bytes).map_err(|_| cut())?;
        self.left = self.left.get(bytes..).ok_or_else(cut)?;
        Ok(())
    }

    fn unsigned(&mut self) -> Result<u64, Error> {
        let mut value = 0_u64;
        let mut shift = 0_u32;
        loop {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f).wrapping_shl(shift);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
            shift = shift.wrapping_add(7);
        }
    }

    fn signed(&mut self) -> Result<i64, Error> {
        let value = self.unsigned()?;
        Ok((value >> 1).cast_signed() ^ -((value & 1).cast_signed()))
    }

    /// The type and the id of the next field; `None` at the end of the structure.
    fn field(&mut self, last: i16) -> Result<Option<(u8, i16)>, Error> {
        let header = self.byte()?;
        let kind = header & 0x0f;
        if kind == STOP {
            return Ok(None);
        }
        let delta = i16::from(header >> 4);
        let id = if delta == 0 {
            // As decoders take it: the low bits.
            #[allow(clippy::cast_possible_truncation)]
            let id = self.signed()? as i16;
            id
        } else {
            last.checked_add(delta).ok_or_else(|| damaged("Parquet", "a field has no number"))?
        };
        Ok(Some((kind, id)))
    }

    /// The type and the number of the elements of a list.
    fn elements(&mut self) -> Result<(u8, usize), Error> {
        let header = self.byte()?;
        if header == 0 {
            return Ok((BYTE, 0));
        }
        let length = match header >> 4 {
            15 => self.unsigned()?,
            length => u64::from(length),
        };
        Ok((header & 0x0f, self.plausible(length)?))
    }

    /// Each element has a byte at least.
    fn plausible(&self, length: u64) -> Result<usize, Error> {
        usize::try_from(length).ok().filter(|length| *length <= self.left.len()).ok_or_else(|| {
            damaged(
                "Parquet",
                format!("it names a list of {length} where {} bytes are left", self.left.len()),
            )
        })
    }

    fn structure(
        &mut self,
        layout: &'static Layout,
        visit: &mut dyn Visit,
        depth: usize,
    ) -> Result<(), Error> {
        let depth = depth.checked_sub(1).ok_or_else(nested)?;
        let mut last = 0;
        while let Some((kind, id)) = self.field(last)? {
            last = id;
            match layout.fields.iter().find(|(known, _)| *known == id) {
                Some((_, shape)) => self.value(*shape, kind, (layout.name, id), visit, depth)?,
                None => {
                    visit.unknown(layout.name, id)?;
                    self.pass(kind, depth)?;
                }
            }
        }
        visit.end(layout.name)
    }

    fn value(
        &mut self,
        shape: Shape,
        kind: u8,
        place: (&'static str, i16),
        visit: &mut dyn Visit,
        depth: usize,
    ) -> Result<(), Error> {
        let (of, field) = place;
        match (shape, kind) {
            (Shape::Bool, TRUE | FALSE) => visit.number(of, field, i64::from(kind == TRUE)),
            (Shape::Byte, BYTE) => {
                let value = self.byte()?;
                visit.number(of, field, i64::from(value.cast_signed()))
            }
            (Shape::I16, I16) | (Shape::I32, I32) | (Shape::I64, I64) => {
                let value = self.signed()?;
                visit.number(of, field, value)
            }
            (Shape::Double, DOUBLE) => self.skip(8),
            (Shape::Binary, BINARY) => {
                let length = self.unsigned()?;
                self.skip(length)
            }
            (Shape::Struct(layout), STRUCT) => self.structure(layout, visit, depth),
            (Shape::List(element), LIST) => {
                let (kind, length) = self.elements()?;
                visit.list(of, field, length)?;
                for _ in 0..length {
                    match element {
                        // In a list a boolean has a byte of its own.
                        Shape::Bool if kind == TRUE || kind == FALSE => self.skip(1)?,
                        element => self.value(*element, kind, place, visit, depth)?,
                    }
                }
                Ok(())
            }
            _ => Err(damaged("Parquet", format!("field {field} of {of} has another type"))),
        }
    }

    /// Skips a field as decoders do.
    fn pass(&mut self, kind: u8, depth: usize) -> Result<(), Error> {
        let depth = depth.checked_sub(1).ok_or_else(nested)?;
        match kind {
            TRUE | FALSE => Ok(()),
            BYTE => self.skip(1),
            I16 | I32 | I64 => self.unsigned().map(drop),
            DOUBLE => self.skip(8),
            UUID => self.skip(16),
            BINARY => {
                let length = self.unsigned()?;
                self.skip(length)
            }
            STRUCT => {
                while let Some((kind, _)) = self.field(0)? {
                    self.pass(kind, depth)?;
                }
                Ok(())
            }
            LIST | SET => {
                let (kind, length) = self.elements()?;
                self.worthwhile(&[kind], length)?;
                (0..length).try_for_each(|_| self.pass(kind, depth))
            }
            MAP => {
                let length = self.unsigned()?;
                let length = self.plausible(length)?;
                if length == 0 {
                    return Ok(());
                }
                let kinds = self.byte()?;
                let (key, value) = (kinds >> 4, kinds & 0x0f);
                self.worthwhile(&[key, value], length)?;
                (0..length).try_for_each(|_| {
                    self.pass(key, depth)?;
                    self.pass(value, depth)
                })
            }
            other => Err(damaged("Parquet", format!("there is no field of type {other}"))),
        }
    }

    /// Decoders read nothing for a boolean that they skip, so that lists of them cost time and no
    /// input. No writer puts them where they are skipped.
    fn worthwhile(&self, kinds: &[u8], length: usize) -> Result<(), Error> {
        let free = kinds.iter().all(|kind| matches!(*kind, TRUE | FALSE));
        if free && length > 0 {
            return Err(damaged("Parquet", "it has a list of booleans that no format knows"));
        }
        Ok(())
    }
}
