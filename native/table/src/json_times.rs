//! Times in JSON that is written. `arrow-json` writes the words of an error where a time has no
//! date, in the place of its value: here it is an error of the table.

use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::Array;
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_json::writer::{Encoder, EncoderFactory, EncoderOptions, NullableEncoder};
use arrow_schema::{ArrowError, FieldRef};

/// Writes times, and keeps what went wrong.
#[derive(Clone, Debug, Default)]
pub(crate) struct Times(Arc<Mutex<Option<ArrowError>>>);

impl Times {
    /// What went wrong since this was asked last.
    pub(crate) fn checked(&self) -> Result<(), ArrowError> {
        match self.0.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}

impl EncoderFactory for Times {
    fn make_default_encoder<'a>(
        &self,
        _field: &'a FieldRef,
        array: &'a dyn Array,
        _options: &'a EncoderOptions,
    ) -> Result<Option<NullableEncoder<'a>>, ArrowError> {
        if !array.data_type().is_temporal() {
            return Ok(None);
        }
        let options = FormatOptions::new().with_display_error(false);
        let formatter = ArrayFormatter::try_new(array, &options)?;
        let encoder = Time { formatter, times: self.clone(), text: String::new() };
        Ok(Some(NullableEncoder::new(Box::new(encoder), array.nulls().cloned())))
    }
}

struct Time<'a> {
    formatter: ArrayFormatter<'a>,
    times: Times,
    text: String,
}

impl Encoder for Time<'_> {
    fn encode(&mut self, index: usize, out: &mut Vec<u8>) {
        self.text.clear();
        if let Err(error) = self.formatter.value(index).write(&mut self.text) {
            *self.times.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        }
        // Nothing in it needs to be escaped.
        out.push(b'"');
        out.extend_from_slice(self.text.as_bytes());
        out.push(b'"');
    }
}
