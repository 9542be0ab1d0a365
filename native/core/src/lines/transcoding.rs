//! Text in other encodings, made UTF-8 as it comes.

use encoding_rs::{DecoderResult, Encoding};

use super::compression::Decompressed;
use super::source_bytes::Came;
use crate::{Error, Status};

/// Text of one encoding.
pub(crate) struct Transcoder {
    decoder: encoding_rs::Decoder,
    encoding: &'static Encoding,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    /// How many bytes were decoded.
    at: u64,
    ended: bool,
    /// What is told after the text before it.
    failed: Option<Error>,
}

const BUFFER: usize = 64 << 10;

impl Transcoder {
    /// Decodes text of this encoding; a byte order mark at its start is left out.
    pub(crate) fn new(label: &str) -> Result<Self, Error> {
        let encoding = Encoding::for_label_no_replacement(label.as_bytes()).ok_or_else(|| {
            Error::invalid(format!("there is no encoding {label:?}"))
                .hint("name one of the Encoding Standard, such as \"utf-16le\" or \"latin1\"")
        })?;
        Ok(Self {
            decoder: encoding.new_decoder_with_bom_removal(),
            encoding,
            buffer: vec![0; BUFFER].into_boxed_slice(),
            start: 0,
            end: 0,
            at: 0,
            ended: false,
            failed: None,
        })
    }

    /// Fills some of the room, which has at least 16 bytes, with UTF-8.
    pub(crate) fn read(
        &mut self,
        from: &mut Decompressed,
        room: &mut [u8],
        wait: bool,
        shown: &str,
    ) -> Result<Came, Error> {
        loop {
            if let Some(failed) = self.failed.take() {
                return Err(failed);
            }
            if self.start == self.end && !self.ended {
                match from.read(&mut self.buffer, wait)? {
                    Came::Bytes(read) => (self.start, self.end) = (0, read),
                    Came::NothingYet => return Ok(Came::NothingYet),
                    Came::End => self.ended = true,
                }
            }
            let ready = self.buffer.get(self.start..self.end).unwrap_or_default();
            let (result, read, written) =
                self.decoder.decode_to_utf8_without_replacement(ready, room, self.ended);
            self.start += read;
            self.at += read as u64;
            match result {
                DecoderResult::Malformed(bad, behind) => {
                    let at = self.at.saturating_sub(u64::from(bad) + u64::from(behind));
                    let name = self.encoding.name();
                    let message = format!("{shown} is not text in {name}: see byte {at}");
                    let failed = Error::new(Status::InvalidText, message)
                        .about(shown)
                        .hint("name its encoding, or read it with { as: \"bytes\" }");
                    self.failed = Some(failed);
                    if written > 0 {
                        return Ok(Came::Bytes(written));
                    }
                }
                _ if written > 0 => return Ok(Came::Bytes(written)),
                DecoderResult::InputEmpty if self.ended => return Ok(Came::End),
                DecoderResult::InputEmpty | DecoderResult::OutputFull => {}
            }
        }
    }
}
