//! A batch as it crosses: its nodes and buffers in the order of Arrow IPC, each buffer where
//! the decoder filled it.
//!
//! One rule differs from Arrow IPC: the values of a dictionary follow its keys, so that each
//! batch stands alone.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{Array, RecordBatch};
use arrow_buffer::{ArrowNativeType, Buffer as ArrowBuffer};
use arrow_data::{ArrayData, layout};
use arrow_schema::DataType;
use dipper_core::{Buffer, Error, Ticket};

/// A batch, ready to cross.
pub struct Exported {
    /// How many rows it has.
    pub rows: usize,
    /// Length and count of nulls of each array, parents before their children.
    pub nodes: Vec<(usize, usize)>,
    /// Where the parts of the arrays lie.
    pub regions: Vec<Region>,
    /// How many buffers with the bytes of views each array of views has.
    pub variadic: Vec<usize>,
    /// What they lie in.
    pub buffers: Vec<Arc<Buffer>>,
}

/// A part of an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Region {
    /// There is nothing: no nulls, or no values.
    Empty,
    /// All of a buffer.
    All {
        /// Which.
        buffer: usize,
    },
}

/// Keeps a decoder's buffer.
struct Column(ArrowBuffer);

impl AsRef<[u8]> for Column {
    fn as_ref(&self) -> &[u8] {
        self.0.as_slice()
    }
}

/// Takes the buffers of a batch without copying them. What was reserved for them goes with the
/// first.
///
/// # Errors
/// `Unsupported` for types that do not cross.
pub fn exported(batch: &RecordBatch, tickets: Vec<Ticket>) -> Result<Exported, Error> {
    let mut walk = Walk::default();
    for column in batch.columns() {
        walk.array(&column.to_data())?;
    }
    let mut tickets = Some(tickets);
    let buffers = walk
        .buffers
        .into_iter()
        .map(|buffer| Buffer::from_owner(Column(buffer), tickets.take().unwrap_or_default()))
        .collect();
    let Walk { nodes, regions, variadic, .. } = walk;
    Ok(Exported { rows: batch.num_rows(), nodes, regions, variadic, buffers })
}

#[derive(Default)]
struct Walk {
    nodes: Vec<(usize, usize)>,
    regions: Vec<Region>,
    variadic: Vec<usize>,
    buffers: Vec<ArrowBuffer>,
    /// By address and length: arrays may share what they have.
    seen: HashMap<(usize, usize), usize>,
}

impl Walk {
    fn array(&mut self, data: &ArrayData) -> Result<(), Error> {
        let length = data.len();
        let kind = data.data_type();
        if *kind == DataType::Null {
            self.nodes.push((length, length));
            return Ok(());
        }
        if data.offset() != 0 && *kind != DataType::Boolean {
            return Err(Error::internal(format!(
                "a column of {kind} does not start at its buffer"
            )));
        }
        self.nodes.push((length, data.null_count()));
        if layout(kind).can_contain_null_mask {
            match data.nulls().filter(|nulls| nulls.null_count() > 0) {
                Some(nulls) => {
                    let bits = nulls.inner();
                    self.region(bits.inner().bit_slice(bits.offset(), bits.len()));
                }
                None => self.regions.push(Region::Empty),
            }
        }
        let buffer = |index: usize| data.buffers().get(index).cloned().unwrap_or_default();
        match kind {
            DataType::Boolean => self.region(buffer(0).bit_slice(data.offset(), length)),
            DataType::Utf8 | DataType::Binary => {
                self.region(first(buffer(0), (length + 1) * size_of::<i32>()));
                self.region(buffer(1));
            }
            DataType::LargeUtf8 | DataType::LargeBinary => {
                self.region(first(buffer(0), (length + 1) * size_of::<i64>()));
                self.region(buffer(1));
            }
            DataType::Utf8View | DataType::BinaryView => {
                self.region(first(buffer(0), length * size_of::<u128>()));
                let views = data.buffers().get(1..).unwrap_or_default();
                self.variadic.push(views.len());
                views.iter().for_each(|view| self.region(view.clone()));
            }
            DataType::List(_) | DataType::Map(_, _) => {
                self.region(first(buffer(0), (length + 1) * size_of::<i32>()));
            }
            DataType::LargeList(_) => {
                self.region(first(buffer(0), (length + 1) * size_of::<i64>()));
            }
            DataType::Dictionary(key, _) => {
                self.region(first(buffer(0), length * width(key)?));
            }
            DataType::ListView(_) => {
                self.region(first(buffer(0), length * size_of::<i32>()));
                self.region(first(buffer(1), length * size_of::<i32>()));
            }
            DataType::LargeListView(_) => {
                self.region(first(buffer(0), length * size_of::<i64>()));
                self.region(first(buffer(1), length * size_of::<i64>()));
            }
            DataType::Union(_, mode) => {
                self.region(first(buffer(0), length));
                if *mode == arrow_schema::UnionMode::Dense {
                    self.region(first(buffer(1), length * size_of::<i32>()));
                }
            }
            DataType::Struct(_) | DataType::FixedSizeList(_, _) | DataType::RunEndEncoded(_, _) => {
            }
            other => self.region(first(buffer(0), length * width(other)?)),
        }
        data.child_data().iter().try_for_each(|child| self.array(child))
    }

    fn region(&mut self, buffer: ArrowBuffer) {
        if buffer.is_empty() {
            return self.regions.push(Region::Empty);
        }
        let place = (buffer.as_ptr() as usize, buffer.len());
        let next = self.buffers.len();
        let index = *self.seen.entry(place).or_insert(next);
        if index == next {
            self.buffers.push(buffer);
        }
        self.regions.push(Region::All { buffer: index });
    }
}

/// The beginning of a buffer: there may be more room than values.
fn first(buffer: ArrowBuffer, bytes: usize) -> ArrowBuffer {
    let bytes = bytes.min(buffer.len());
    buffer.slice_with_length(0, bytes)
}

/// How many bytes a value of fixed width has.
fn width(kind: &DataType) -> Result<usize, Error> {
    if let DataType::FixedSizeBinary(bytes) = kind {
        return Ok(bytes.to_usize().unwrap_or_default());
    }
    kind.primitive_width()
        .ok_or_else(|| Error::internal(format!("nobody knows how wide a value of {kind} is")))
}
