//! The access key of one start: random, and the only one that signs valid requests.

use crate::start_error::StartError;
use s3s::S3Result;
use s3s::auth::{S3Auth, SecretKey};
use s3s::s3_error;
use std::fmt;

/// An access key identifier and its secret. `Debug` shows only the identifier.
#[derive(Clone)]
pub struct Credentials {
    pub access_key_id: String,
    pub secret_access_key: String,
}

impl Credentials {
    /// 20 and 40 characters, the shapes that AWS uses: some clients check them.
    pub fn random() -> Result<Self, StartError> {
        const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        const BASE64: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut random = [0u8; 56];
        getrandom::getrandom(&mut random)
            .map_err(|error| StartError::Random { reason: error.to_string() })?;
        let (id, secret) = random.split_at(16);
        let letter =
            |alphabet: &[u8], byte: &u8| char::from(alphabet[usize::from(*byte) % alphabet.len()]);
        Ok(Self {
            access_key_id: "AKIA"
                .chars()
                .chain(id.iter().map(|byte| letter(BASE32, byte)))
                .collect(),
            secret_access_key: secret.iter().map(|byte| letter(BASE64, byte)).collect(),
        })
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("access_key_id", &self.access_key_id)
            .finish_non_exhaustive()
    }
}

#[async_trait::async_trait]
impl S3Auth for Credentials {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        if access_key == self.access_key_id {
            Ok(SecretKey::from(self.secret_access_key.as_str()))
        } else {
            Err(s3_error!(
                InvalidAccessKeyId,
                "The AWS Access Key Id you provided does not exist in our records."
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_and_hidden() {
        let (a, b) = (Credentials::random().unwrap(), Credentials::random().unwrap());
        assert_eq!((a.access_key_id.len(), a.secret_access_key.len()), (20, 40));
        assert_ne!(a.access_key_id, b.access_key_id);
        assert_ne!(a.secret_access_key, b.secret_access_key);
        assert!(!format!("{a:?}").contains(&a.secret_access_key));
    }
}
