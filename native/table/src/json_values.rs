//! Values of JSON that is written, where `arrow-json` does not do them well.
//!
//! It writes the words of an error where a time has no date, in the place of its value: here it is an
//! error of the table. And it looks at each byte of a text for what must be escaped: here all texts
//! are looked at in one go, and most need nothing.

use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::cast::AsArray;
use arrow_array::{Array, GenericStringArray, OffsetSizeTrait};
use arrow_json::writer::{Encoder, EncoderFactory, EncoderOptions, NullableEncoder};
use arrow_schema::{ArrowError, DataType, FieldRef};

use crate::time_text::TimeText;

/// Writes times and texts, and keeps what went wrong.
#[derive(Clone, Debug, Default)]
pub(crate) struct JsonValues(Arc<Mutex<Option<ArrowError>>>);

impl JsonValues {
    /// What went wrong since this was asked last.
    pub(crate) fn checked(&self) -> Result<(), ArrowError> {
        match self.0.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}

impl EncoderFactory for JsonValues {
    fn make_default_encoder<'a>(
        &self,
        _field: &'a FieldRef,
        array: &'a dyn Array,
        _options: &'a EncoderOptions,
    ) -> Result<Option<NullableEncoder<'a>>, ArrowError> {
        let encoder: Option<Box<dyn Encoder + 'a>> = match array.data_type() {
            DataType::Utf8 => plain(array.as_string::<i32>()),
            DataType::LargeUtf8 => plain(array.as_string::<i64>()),
            _ => TimeText::new(array)?
                .map(|times| Box::new(Time { times, failed: self.clone() }) as Box<dyn Encoder>),
        };
        Ok(encoder.map(|encoder| NullableEncoder::new(encoder, array.nulls().cloned())))
    }
}

struct Time<'a> {
    times: TimeText<'a>,
    failed: JsonValues,
}

impl Encoder for Time<'_> {
    fn encode(&mut self, index: usize, out: &mut Vec<u8>) {
        // Nothing in it needs to be escaped.
        out.push(b'"');
        if let Err(error) = self.times.put(index, out) {
            *self.failed.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        }
        out.push(b'"');
    }
}

/// Texts of which none has anything to escape.
struct Plain<'a, O: OffsetSizeTrait>(&'a GenericStringArray<O>);

/// Nothing where there is something to escape.
fn plain<'a, O: OffsetSizeTrait>(
    texts: &'a GenericStringArray<O>,
) -> Option<Box<dyn Encoder + 'a>> {
    let offsets = texts.value_offsets();
    let (first, last) = offsets.first().zip(offsets.last())?;
    // They lie one behind the other.
    let all = texts.value_data().get(first.as_usize()..last.as_usize())?;
    let special = |byte: u8| (byte < b' ') | (byte == b'"') | (byte == b'\\');
    // Block by block without a branch, for many bytes at once.
    let any = |block: &[u8]| block.iter().fold(false, |any, byte| any | special(*byte));
    match all.chunks(4096).any(any) {
        true => None,
        false => Some(Box::new(Plain(texts))),
    }
}

impl<O: OffsetSizeTrait> Encoder for Plain<'_, O> {
    fn encode(&mut self, index: usize, out: &mut Vec<u8>) {
        out.push(b'"');
        out.extend_from_slice(self.0.value(index).as_bytes());
        out.push(b'"');
    }
}
