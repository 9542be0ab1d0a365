//! Signing the few kinds of requests that the data plane sends, thousands a second.
//!
//! `aws-sigv4` signs any request and takes some 30 microseconds for it, as long as a small
//! object takes to arrive. The canonical form of these requests is simple, and the key that
//! they are signed with holds for a day. So the form is written here, and the cryptography
//! is left to `aws-sigv4`. What is not plainly simple goes all the way through it; a test
//! compares the two.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_sigv4::sign::v4::{calculate_signature, generate_signing_key};
use aws_smithy_runtime_api::client::identity::Identity;
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use dipper_wire::{Algorithm, InOrder};

/// What is signed.
pub(crate) struct Signed<'a> {
    pub(crate) method: &'a str,
    /// The path and the query, percent-encoded; the query in the order of its names.
    pub(crate) target: &'a str,
    pub(crate) host: &'a str,
    /// Names in small letters.
    pub(crate) headers: &'a [(&'a str, &'a str)],
    pub(crate) region: &'a str,
    pub(crate) service: &'a str,
}

/// Signs for one place. It keeps the key of the day, and how the second is written.
#[derive(Default)]
pub(crate) struct Signer {
    key: Mutex<Option<Arc<DayKey>>>,
    second: Mutex<Option<(u64, Arc<str>)>>,
}

/// Derived from a secret, and as secret: never printed.
struct DayKey {
    day: String,
    access_key_id: String,
    secret_access_key: String,
    key: Vec<u8>,
}

impl Signer {
    /// Writes the headers that sign a request. False, and nothing is written, for one that
    /// is not plainly simple.
    pub(crate) fn sign(
        &self,
        request: &Signed<'_>,
        identity: &Identity,
        now: SystemTime,
        text: &mut String,
    ) -> bool {
        let Some(credentials) = identity.data::<Credentials>() else { return false };
        let simple = |value: &str| {
            value.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ')
                && !value.contains("  ")
                && value.trim() == value
        };
        let token = credentials.session_token();
        if !request.headers.iter().all(|(_, value)| simple(value)) || !token.is_none_or(simple) {
            return false;
        }
        let Some(time) = self.timestamp(now) else { return false };
        let Some(day) = time.get(..8) else { return false };
        let (path, query) = request.target.split_once('?').unwrap_or((request.target, ""));
        let mut headers: Vec<(&str, &str)> = Vec::with_capacity(request.headers.len() + 4);
        headers.push(("host", request.host));
        headers.extend_from_slice(request.headers);
        headers.push(("x-amz-content-sha256", UNSIGNED));
        headers.push(("x-amz-date", &time));
        headers.extend(token.map(|token| ("x-amz-security-token", token)));
        headers.sort_unstable();
        let mut names = String::with_capacity(128);
        let mut canonical = String::with_capacity(1024);
        let _ = write!(canonical, "{}\n{path}\n{query}\n", request.method);
        for (name, value) in &headers {
            let _ = writeln!(canonical, "{name}:{value}");
            let separator = if names.is_empty() { "" } else { ";" };
            let _ = write!(names, "{separator}{name}");
        }
        let _ = write!(canonical, "\n{names}\n{UNSIGNED}");
        let scope = format!("{day}/{}/{}/aws4_request", request.region, request.service);
        let mut to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n");
        let mut sum = InOrder::new(Algorithm::Sha256, None);
        sum.update(canonical.as_bytes());
        for byte in sum.finish() {
            to_sign.extend([byte >> 4, byte & 15].map(|digit| {
                char::from(if digit < 10 { b'0' + digit } else { b'a' - 10 + digit })
            }));
        }
        let key = self.key_of(day, credentials, request, now);
        let signature = calculate_signature(&key.key, to_sign.as_bytes());
        let _ = write!(text, "x-amz-content-sha256: {UNSIGNED}\r\nx-amz-date: {time}\r\n");
        if let Some(token) = token {
            let _ = write!(text, "x-amz-security-token: {token}\r\n");
        }
        let _ = write!(
            text,
            "authorization: AWS4-HMAC-SHA256 Credential={}/{scope}, \
             SignedHeaders={names}, Signature={signature}\r\n",
            credentials.access_key_id()
        );
        true
    }

    /// The time as it is signed. To write it takes longer than to look whether it is the same.
    fn timestamp(&self, now: SystemTime) -> Option<Arc<str>> {
        let second = now.duration_since(UNIX_EPOCH).ok()?.as_secs();
        let mut kept = self.second.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, time)) = &*kept
            && *of == second
        {
            return Some(Arc::clone(time));
        }
        let time: Arc<str> = timestamp(second)?.into();
        *kept = Some((second, Arc::clone(&time)));
        Some(time)
    }

    fn key_of(
        &self,
        day: &str,
        credentials: &Credentials,
        request: &Signed<'_>,
        now: SystemTime,
    ) -> Arc<DayKey> {
        let mut kept = self.key.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = &*kept
            && key.day == day
            && key.access_key_id == credentials.access_key_id()
            && key.secret_access_key == credentials.secret_access_key()
        {
            return Arc::clone(key);
        }
        let secret = credentials.secret_access_key();
        let key = Arc::new(DayKey {
            day: day.to_owned(),
            access_key_id: credentials.access_key_id().to_owned(),
            secret_access_key: secret.to_owned(),
            key: generate_signing_key(secret, now, request.region, request.service)
                .as_ref()
                .to_vec(),
        });
        *kept = Some(Arc::clone(&key));
        key
    }
}

const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

/// `20261122T201500Z`.
fn timestamp(second: u64) -> Option<String> {
    let time = DateTime::from_secs(i64::try_from(second).ok()?).fmt(Format::DateTime).ok()?;
    Some(time.replace(['-', ':'], ""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sigv4::http_request::{
        PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
        UriPathNormalizationMode, sign,
    };
    use aws_sigv4::sign::v4;
    use std::time::Duration;

    /// The headers as `aws-sigv4` makes them.
    fn reference(request: &Signed<'_>, identity: &Identity, now: SystemTime) -> Vec<String> {
        let mut settings = SigningSettings::default();
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        let params = v4::SigningParams::builder()
            .identity(identity)
            .region(request.region)
            .name(request.service)
            .time(now)
            .settings(settings)
            .build()
            .unwrap()
            .into();
        let uri = format!("http://{}{}", request.host, request.target);
        let headers = [("host", request.host)].into_iter().chain(request.headers.iter().copied());
        let signable =
            SignableRequest::new(request.method, &uri, headers, SignableBody::UnsignedPayload);
        let (instructions, _) = sign(signable.unwrap(), &params).unwrap().into_parts();
        let mut lines: Vec<String> =
            instructions.headers().map(|(name, value)| format!("{name}: {value}")).collect();
        lines.sort();
        lines
    }

    #[test]
    fn it_signs_as_aws_sigv4_does() {
        let signer = Signer::default();
        for (number, token) in [None, Some("to/ken+=="), None].into_iter().enumerate() {
            let secret = format!("secret{number}");
            let token = token.map(str::to_owned);
            let identity = Identity::from(Credentials::new("AKID", secret, token, None, "test"));
            for (target, headers) in [
                ("/bucket/key", &[][..]),
                ("/b/a%20b/%C3%BC%3F%23?versionId=v%261", &[("range", "bytes=0-8388607")][..]),
                ("/b/?delimiter=%2F&list-type=2&prefix=a%20b%2F", &[][..]),
                (
                    "/b/k?partNumber=17&uploadId=a-b_c.d",
                    &[("content-length", "5"), ("x-amz-checksum-crc64nvme", "AAAAAAAAAAA=")],
                ),
                (
                    "/b//a/../x",
                    &[
                        ("range", "bytes=-5"),
                        ("if-match", "\"a b\""),
                        ("x-amz-checksum-mode", "ENABLED"),
                    ],
                ),
            ] {
                for day in [0, 1, 400] {
                    let request = Signed {
                        method: if day == 1 { "HEAD" } else { "GET" },
                        target,
                        host: "127.0.0.1:9000",
                        headers,
                        region: "eu-central-1",
                        service: "s3",
                    };
                    let now = UNIX_EPOCH + Duration::from_secs(1_700_000_000 + day * 86_400);
                    let mut text = String::new();
                    assert!(signer.sign(&request, &identity, now, &mut text));
                    let mut lines: Vec<&str> = text.lines().collect();
                    lines.sort_unstable();
                    assert_eq!(lines, reference(&request, &identity, now), "{target}");
                }
            }
        }
    }

    #[test]
    fn what_is_not_simple_is_left_alone() {
        let identity = Identity::from(Credentials::new("AKID", "secret", None, None, "test"));
        for value in ["a  b", " a", "\u{fc}"] {
            let headers = [("if-match", value)];
            let request = Signed {
                method: "GET",
                target: "/",
                host: "h",
                headers: &headers,
                region: "r",
                service: "s3",
            };
            let mut text = String::new();
            assert!(!Signer::default().sign(&request, &identity, SystemTime::now(), &mut text));
            assert!(text.is_empty());
        }
    }
}
