//! The headers of server-side encryption: what a request asks for, what an answer tells back.

use super::errors::named;
use crate::storage::encryption::{CustomerKey, Encryption};
use crate::storage::error::StoreError;
use http::StatusCode;
use s3s::crypto::{Checksum as _, Md5};
use s3s::dto::ServerSideEncryption;
use s3s::{S3Error, S3Result, s3_error};
use std::collections::HashMap;

const AES256: &str = "AES256";

fn not_a_method() -> S3Error {
    named(
        "InvalidEncryptionAlgorithmError",
        StatusCode::BAD_REQUEST,
        "The encryption request you specified is not valid. The valid values are AES256, aws:kms and aws:kms:dsse; for a customer key AES256.",
    )
}

/// The customer key of a request, from its three headers. All of them, or none.
pub(super) fn parsed_key(
    method: Option<String>,
    key: Option<String>,
    md5: Option<String>,
) -> S3Result<Option<CustomerKey>> {
    let (method, key, md5) = match (method, key, md5) {
        (None, None, None) => return Ok(None),
        (Some(method), Some(key), Some(md5)) => (method, key, md5),
        (None, _, _) => {
            return Err(s3_error!(
                InvalidArgument,
                "Requests specifying Server Side Encryption with Customer provided keys must provide a valid encryption algorithm."
            ));
        }
        (_, None, _) => {
            return Err(s3_error!(
                InvalidArgument,
                "Requests specifying Server Side Encryption with Customer provided keys must provide an appropriate secret key."
            ));
        }
        (_, _, None) => {
            return Err(s3_error!(
                InvalidArgument,
                "Requests specifying Server Side Encryption with Customer provided keys must provide the client calculated MD5 of the secret key."
            ));
        }
    };
    if method != AES256 {
        return Err(not_a_method());
    }
    let bytes: [u8; CustomerKey::LENGTH] = base64_simd::STANDARD
        .decode_to_vec(&key)
        .ok()
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| {
            s3_error!(
                InvalidArgument,
                "The secret key was invalid for the specified algorithm: it has 32 bytes, in base64."
            )
        })?;
    if base64_simd::STANDARD.encode_to_string(Md5::checksum(&bytes)) != md5 {
        return Err(s3_error!(
            InvalidArgument,
            "The calculated MD5 hash of the key did not match the hash that was provided."
        ));
    }
    Ok(Some(CustomerKey::new(bytes, md5)))
}

/// What a request asks for beside a customer key.
pub(super) struct Asked {
    pub method: Option<ServerSideEncryption>,
    pub key_id: Option<String>,
    pub context: Option<String>,
    pub bucket_key: Option<bool>,
}

/// The encryption that a write asks for.
pub(super) fn requested(asked: Asked, key: Option<&CustomerKey>) -> S3Result<Option<Encryption>> {
    let Asked { method, key_id, context, bucket_key } = asked;
    let method = method.map(|method| method.as_str().to_owned());
    let of_kms = key_id.is_some() || context.is_some();
    let encryption = match method.as_deref() {
        None | Some(AES256) if of_kms => {
            return Err(s3_error!(
                InvalidArgument,
                "Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms"
            ));
        }
        None => None,
        Some(AES256) => Some(Encryption::Managed),
        Some("aws:kms" | "aws:kms:dsse") => {
            if let Some(context) = &context
                && !is_context(context)
            {
                return Err(s3_error!(
                    InvalidArgument,
                    "The header 'x-amz-server-side-encryption-context' shall be Base64-encoded UTF-8 string holding JSON which represents a string-string map"
                ));
            }
            Some(Encryption::Kms {
                method: method.unwrap_or_default(),
                key_id,
                context,
                bucket_key: bucket_key.unwrap_or(false),
            })
        }
        Some(_) => return Err(not_a_method()),
    };
    match (encryption, key) {
        (Some(_), Some(_)) => Err(s3_error!(
            InvalidArgument,
            "Server Side Encryption with Customer provided key is incompatible with the encryption method specified"
        )),
        (None, Some(key)) => {
            let hash = key.hash().map_err(StoreError::io("hashing a customer key"))?;
            Ok(Some(Encryption::Customer(hash)))
        }
        (encryption, None) => Ok(encryption),
    }
}

fn is_context(context: &str) -> bool {
    base64_simd::STANDARD
        .decode_to_vec(context)
        .is_ok_and(|json| serde_json::from_slice::<HashMap<String, String>>(&json).is_ok())
}

/// What answers tell of an object's encryption.
#[derive(Default)]
pub(super) struct Told {
    pub method: Option<ServerSideEncryption>,
    pub key_id: Option<String>,
    pub context: Option<String>,
    pub bucket_key: Option<bool>,
    pub customer_method: Option<String>,
    pub customer_md5: Option<String>,
}

impl Told {
    /// `md5` is what the request said of the customer key it gave.
    pub(super) fn new(encryption: Option<&Encryption>, md5: Option<String>) -> Self {
        match encryption {
            None => Self::default(),
            Some(Encryption::Managed) => {
                Self { method: Some(ServerSideEncryption::from_static(AES256)), ..Self::default() }
            }
            Some(Encryption::Kms { method, key_id, context, bucket_key }) => Self {
                method: Some(ServerSideEncryption::from(method.clone())),
                key_id: key_id.clone(),
                context: context.clone(),
                bucket_key: bucket_key.then_some(true),
                ..Self::default()
            },
            Some(Encryption::Customer(_)) => Self {
                customer_method: md5.is_some().then(|| AES256.to_owned()),
                customer_md5: md5,
                ..Self::default()
            },
        }
    }
}

/// Takes the customer key out of an input that has it under the usual names.
macro_rules! customer_key {
    ($input:expr) => {
        $crate::service::encryption::parsed_key(
            $input.sse_customer_algorithm.take(),
            $input.sse_customer_key.take(),
            $input.sse_customer_key_md5.take(),
        )?
    };
}
pub(super) use customer_key;

/// The same for the key of a copy's source.
macro_rules! source_customer_key {
    ($input:expr) => {
        $crate::service::encryption::parsed_key(
            $input.copy_source_sse_customer_algorithm.take(),
            $input.copy_source_sse_customer_key.take(),
            $input.copy_source_sse_customer_key_md5.take(),
        )?
    };
}
pub(super) use source_customer_key;

/// The encryption that an input asks for under the usual names, with the customer key it gave.
macro_rules! requested_encryption {
    ($input:expr, $key:expr) => {
        $crate::service::encryption::requested(
            $crate::service::encryption::Asked {
                method: $input.server_side_encryption.take(),
                key_id: $input.ssekms_key_id.take(),
                context: $input.ssekms_encryption_context.take(),
                bucket_key: $input.bucket_key_enabled.take(),
            },
            $key,
        )?
    };
}
pub(super) use requested_encryption;

/// Tells the encryption in an output that has the usual names.
macro_rules! tell_encryption {
    ($output:expr, $told:expr) => {{
        let told: $crate::service::encryption::Told = $told;
        $output.server_side_encryption = told.method;
        $output.ssekms_key_id = told.key_id;
        $output.bucket_key_enabled = told.bucket_key;
        $output.sse_customer_algorithm = told.customer_method;
        $output.sse_customer_key_md5 = told.customer_md5;
        told.context
    }};
}
pub(super) use tell_encryption;

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(method: &str, key_id: Option<&str>, context: Option<&str>) -> Asked {
        Asked {
            method: Some(method)
                .filter(|method| !method.is_empty())
                .map(|method| ServerSideEncryption::from(method.to_owned())),
            key_id: key_id.map(str::to_owned),
            context: context.map(str::to_owned),
            bucket_key: None,
        }
    }

    #[test]
    fn methods() {
        assert_eq!(requested(asked("", None, None), None).unwrap(), None);
        assert_eq!(requested(asked(AES256, None, None), None).unwrap(), Some(Encryption::Managed));
        let kms = requested(asked("aws:kms", Some("k"), Some("eyJhIjoiYiJ9")), None).unwrap();
        assert_eq!(Told::new(kms.as_ref(), None).key_id.as_deref(), Some("k"));
        for wrong in [
            asked("rot13", None, None),
            asked("", Some("k"), None),
            asked(AES256, None, Some("eyJhIjoiYiJ9")),
            asked("aws:kms", None, Some("no json")),
        ] {
            assert!(requested(wrong, None).is_err());
        }
        let key = parsed_key(
            Some(AES256.into()),
            Some(base64_simd::STANDARD.encode_to_string([7u8; 32])),
            Some(base64_simd::STANDARD.encode_to_string(Md5::checksum(&[7u8; 32]))),
        )
        .unwrap()
        .unwrap();
        assert!(requested(asked(AES256, None, None), Some(&key)).is_err());
        let told = Told::new(
            requested(asked("", None, None), Some(&key)).unwrap().as_ref(),
            Some(key.md5),
        );
        assert!(told.method.is_none() && told.customer_md5.is_some());
    }

    #[test]
    fn keys_come_whole() {
        let good = || {
            let bytes = [7u8; 32];
            let text = |bytes: &[u8]| Some(base64_simd::STANDARD.encode_to_string(bytes));
            (Some(AES256.to_owned()), text(&bytes), text(&Md5::checksum(&bytes)))
        };
        let (method, key, md5) = good();
        assert!(parsed_key(method, key, md5).unwrap().is_some());
        assert!(parsed_key(None, None, None).unwrap().is_none());
        let (method, key, md5) = good();
        assert!(parsed_key(None, key.clone(), md5.clone()).is_err());
        assert!(parsed_key(method.clone(), None, md5.clone()).is_err());
        assert!(parsed_key(method.clone(), key.clone(), None).is_err());
        assert!(parsed_key(Some("AES128".into()), key.clone(), md5.clone()).is_err());
        assert!(parsed_key(method.clone(), Some("c2hvcnQ=".into()), md5).is_err());
        assert!(parsed_key(method, key.clone(), key).is_err());
    }
}
