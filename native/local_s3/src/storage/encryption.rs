//! What a client asked of an object's encryption, and the enforcement of customer keys.
//!
//! Nothing is encrypted: the bytes lie on the disk as they came. What is real is the protocol: a method
//! that was asked for is told back, and an object with a customer key is only read by who gives that
//! key again. The key is never kept, only a salted hash of it.

use super::error::StoreError;
use super::key_file::{from_hexadecimal, hexadecimal};
use s3s::crypto::{Checksum as _, Sha256};
use serde::{Deserialize, Serialize};
use std::io;

/// How an object, or all parts of an upload, are encrypted in the eyes of the client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Encryption {
    /// SSE-S3.
    Managed,
    /// SSE-KMS, or its dual-layer variant: what the headers said.
    Kms { method: String, key_id: Option<String>, context: Option<String>, bucket_key: bool },
    /// SSE-C.
    Customer(KeyHash),
}

/// SHA-256 of a random salt and the key, both in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyHash {
    salt: String,
    hash: String,
}

/// A key as a request brings it. It cannot be printed or written.
pub struct CustomerKey {
    bytes: [u8; Self::LENGTH],
    /// What the request said of it, in base64; answers repeat it.
    pub md5: String,
}

impl CustomerKey {
    pub const LENGTH: usize = 32;

    pub fn new(bytes: [u8; Self::LENGTH], md5: String) -> Self {
        Self { bytes, md5 }
    }

    /// What is kept of it.
    pub fn hash(&self) -> io::Result<KeyHash> {
        let salt = super::random_name()?;
        let hash = self.salted(&salt);
        Ok(KeyHash { salt, hash })
    }

    fn salted(&self, salt: &str) -> String {
        let mut hasher = Sha256::new();
        hasher.update(&from_hexadecimal(salt).unwrap_or_default());
        hasher.update(&self.bytes);
        hexadecimal(&hasher.finalize())
    }

    pub fn is(&self, kept: &KeyHash) -> bool {
        self.salted(&kept.salt) == kept.hash
    }
}

impl Encryption {
    /// Whether the entity tag says nothing of the bytes, as in S3 for keys that are not S3's own.
    pub fn hides_md5(&self) -> bool {
        !matches!(self, Self::Managed)
    }

    /// Whether a read with `key` may see an object with this `encryption`.
    pub fn check(encryption: Option<&Self>, key: Option<&CustomerKey>) -> Result<(), StoreError> {
        match (encryption, key) {
            (Some(Self::Customer(kept)), Some(key)) if key.is(kept) => Ok(()),
            (Some(Self::Customer(_)), Some(_)) => Err(StoreError::WrongCustomerKey),
            (Some(Self::Customer(_)), None) => Err(StoreError::InvalidRequest(
                "The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object."
                    .to_owned(),
            )),
            (_, Some(_)) => Err(StoreError::InvalidRequest(
                "The encryption parameters are not applicable to this object.".to_owned(),
            )),
            (_, None) => Ok(()),
        }
    }

    /// Whether a part with `key` may go to an upload with this `encryption`.
    pub fn check_part(
        encryption: Option<&Self>,
        key: Option<&CustomerKey>,
    ) -> Result<(), StoreError> {
        let message = match (encryption, key) {
            (Some(Self::Customer(kept)), Some(key)) if key.is(kept) => return Ok(()),
            (Some(Self::Customer(_)), Some(_)) => {
                "The provided encryption parameters did not match the ones used originally."
            }
            (Some(Self::Customer(_)), None) => {
                "The multipart upload initiate requested encryption. Subsequent part requests must include the appropriate encryption parameters."
            }
            (_, Some(_)) => {
                "The multipart upload initiate did not request encryption. Please resend the request without sending encryption parameters."
            }
            (_, None) => return Ok(()),
        };
        Err(StoreError::InvalidRequest(message.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> CustomerKey {
        CustomerKey::new([byte; 32], String::new())
    }

    #[test]
    fn only_the_same_key_reads() {
        let kept = Encryption::Customer(key(1).hash().unwrap());
        let kept = Some(&kept);
        assert!(Encryption::check(kept, Some(&key(1))).is_ok());
        assert!(matches!(
            Encryption::check(kept, Some(&key(2))),
            Err(StoreError::WrongCustomerKey)
        ));
        assert!(matches!(Encryption::check(kept, None), Err(StoreError::InvalidRequest(_))));
        assert!(Encryption::check(Some(&Encryption::Managed), None).is_ok());
        for other in [None, Some(&Encryption::Managed)] {
            assert!(Encryption::check(other, Some(&key(1))).is_err());
            assert!(Encryption::check_part(other, Some(&key(1))).is_err());
            assert!(Encryption::check_part(other, None).is_ok());
        }
        assert!(Encryption::check_part(kept, Some(&key(1))).is_ok());
        assert!(Encryption::check_part(kept, Some(&key(2))).is_err());
        assert!(Encryption::check_part(kept, None).is_err());
    }

    #[test]
    fn the_key_is_not_kept() {
        let (one, other) = (key(b'k').hash().unwrap(), key(b'k').hash().unwrap());
        assert_ne!(one, other, "the salt differs");
        let shown = serde_json::to_string(&Encryption::Customer(one)).unwrap();
        for form in
            [hexadecimal(&[b'k'; 32]), "k".repeat(32), hexadecimal(&Sha256::checksum(&[b'k'; 32]))]
        {
            assert!(!shown.contains(&form), "{shown}");
        }
    }
}
