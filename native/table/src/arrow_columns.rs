//! Some columns of a batch of Arrow IPC: which bytes of its body they are, and the message as it is
//! when nothing else is in it.

use std::ops::Range;

use arrow_ipc::MetadataVersion;
use arrow_schema::{DataType, Schema, UnionMode};
use bytes::Bytes;
use dipper_core::Error;

use crate::arrow_message::message;
use crate::error::damaged;

/// A body that is shorter is read as a whole: to ask for its columns first is dearer.
pub(crate) const SHORT: u64 = 256 << 10;
/// Columns lie beside each other where no more is between them: writers align to 64 bytes.
const PADDING: u64 = 64;
/// Each share is a message of its own, with all of the buffers. No more of them in all.
const MOST_BUFFERS: usize = 1 << 20;

/// Columns that lie beside each other.
#[derive(Debug)]
pub(crate) struct Share {
    /// Which they are of the wanted ones.
    pub(crate) wanted: Vec<usize>,
    /// Where they lie in the body of the batch.
    pub(crate) place: Range<u64>,
    /// The message of a batch whose body they are; the other columns have no bytes there.
    pub(crate) metadata: Bytes,
}

/// What becomes a share.
#[derive(Default)]
struct Group {
    place: Range<u64>,
    /// Which buffers of the message it is.
    buffers: Vec<usize>,
    wanted: Vec<usize>,
}

/// The wanted columns of a batch. Nothing where its body is to be read as a whole: because it is
/// nearly all of it, because there would be too many shares, or because it is not as it should be
/// and somebody else tells how.
pub(crate) fn shares(
    metadata: &Bytes,
    body: u64,
    schema: &Schema,
    version: MetadataVersion,
    wanted: &[usize],
) -> Result<Option<Vec<Share>>, Error> {
    let message = message(metadata)?;
    let batch = message
        .header_as_record_batch()
        .ok_or_else(|| damaged("Arrow", "there is no batch where one should be"))?;
    let Some(buffers) = batch.buffers() else { return Ok(None) };
    let mut walk = Walk {
        version,
        next: 0,
        views: batch.variadicBufferCounts().into_iter().flatten().collect::<Vec<_>>().into_iter(),
    };
    let mut columns = Vec::with_capacity(schema.fields().len());
    for field in schema.fields() {
        let from = walk.next;
        if walk.field(field.data_type()).is_none() {
            return Ok(None);
        }
        columns.push(from..walk.next);
    }
    if walk.next != buffers.len() {
        return Ok(None);
    }
    // Where the bytes of each wanted column begin and end.
    let mut spans = Vec::with_capacity(wanted.len());
    for (at, column) in wanted.iter().enumerate() {
        let Some(column) = columns.get(*column) else { return Ok(None) };
        let mut span: Option<Range<u64>> = None;
        for index in column.clone() {
            let buffer = buffers.get(index);
            let (Ok(start), Ok(length)) =
                (u64::try_from(buffer.offset()), u64::try_from(buffer.length()))
            else {
                return Ok(None);
            };
            let Some(end) = start.checked_add(length).filter(|end| *end <= body) else {
                return Ok(None);
            };
            if length > 0 {
                let span = span.get_or_insert(start..end);
                *span = span.start.min(start)..span.end.max(end);
            }
        }
        spans.push((span.unwrap_or(0..0), column.clone(), at));
    }
    spans.sort_unstable_by_key(|(span, _, _)| (span.start, span.end));
    let mut groups: Vec<Group> = Vec::new();
    for (span, column, at) in spans {
        match groups.last_mut() {
            Some(group) if span.start <= group.place.end.saturating_add(PADDING) => {
                group.place.end = group.place.end.max(span.end);
                group.buffers.extend(column);
                group.wanted.push(at);
            }
            _ => groups.push(Group { place: span, buffers: column.collect(), wanted: vec![at] }),
        }
    }
    if groups.is_empty() {
        groups.push(Group::default());
    }
    let read = groups.iter().fold(0, |sum, Group { place, .. }| sum + (place.end - place.start));
    let many = groups.len().saturating_mul(buffers.len().max(1)) > MOST_BUFFERS;
    if many || read > body / 4 * 3 {
        return Ok(None);
    }
    // The buffers stand one behind the other in the message: two numbers of 64 bits each.
    let raw = buffers.bytes();
    let start = (raw.as_ptr() as usize).checked_sub(metadata.as_ptr() as usize);
    let Some(start) = start else { return Ok(None) };
    let share = |Group { place, buffers: inside, wanted }: Group| {
        let mut metadata = metadata.to_vec();
        metadata.get_mut(start..start.checked_add(raw.len())?)?.fill(0);
        for index in inside {
            let buffer = buffers.get(index);
            let offset = match buffer.length() {
                0 => 0,
                _ => u64::try_from(buffer.offset()).ok()?.checked_sub(place.start)?,
            };
            let at = start + index * ENTRY;
            let entry = metadata.get_mut(at..at + ENTRY)?;
            let (first, second) = entry.split_at_mut(ENTRY / 2);
            first.copy_from_slice(&offset.to_le_bytes());
            second.copy_from_slice(&buffer.length().to_le_bytes());
        }
        Some(Share { wanted, place, metadata: metadata.into() })
    };
    Ok(groups.into_iter().map(share).collect())
}

/// What a message says of a buffer takes so many bytes: where it begins, and how long it is.
const ENTRY: usize = 16;

/// Goes through the arrays of a batch, parents before their children, and counts their buffers.
struct Walk {
    version: MetadataVersion,
    next: usize,
    /// How many buffers with the bytes of views each array of views has.
    views: std::vec::IntoIter<i64>,
}

impl Walk {
    /// Nothing where the message does not tell enough.
    ///
    /// <https://arrow.apache.org/docs/format/Columnar.html#buffer-listing-for-each-layout>
    fn field(&mut self, kind: &DataType) -> Option<()> {
        self.next += match kind {
            DataType::Null | DataType::RunEndEncoded(_, _) => 0,
            DataType::Struct(_) | DataType::FixedSizeList(_, _) => 1,
            DataType::Utf8 | DataType::Binary | DataType::LargeUtf8 | DataType::LargeBinary => 3,
            DataType::ListView(_) | DataType::LargeListView(_) => 3,
            DataType::Utf8View | DataType::BinaryView => {
                usize::try_from(self.views.next()?).ok()?.checked_add(2)?
            }
            DataType::Union(_, mode) => {
                usize::from(self.version < MetadataVersion::V5)
                    + if *mode == UnionMode::Dense { 2 } else { 1 }
            }
            // Whether values are there, and the values, the offsets, or the keys.
            _ => 2,
        };
        match kind {
            DataType::List(child)
            | DataType::LargeList(child)
            | DataType::ListView(child)
            | DataType::LargeListView(child)
            | DataType::FixedSizeList(child, _)
            | DataType::Map(child, _) => self.field(child.data_type()),
            DataType::Struct(children) => {
                children.iter().try_for_each(|child| self.field(child.data_type()))
            }
            DataType::Union(children, _) => {
                children.iter().try_for_each(|(_, child)| self.field(child.data_type()))
            }
            DataType::RunEndEncoded(ends, values) => {
                self.field(ends.data_type())?;
                self.field(values.data_type())
            }
            _ => Some(()),
        }
    }
}
