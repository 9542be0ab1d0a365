//! URLs that carry a signature: whoever holds one may do one thing to one object for a while.
//!
//! The SDK's presigner makes them, so that they hold wherever the SDK's requests hold: every
//! style of address, session tokens, regions that were learned. A test compares them with what
//! `aws-sigv4` makes of the same request. Nothing is sent, unless the credentials have to be
//! fetched first.
//!
//! A URL made with temporary credentials ends when they end, whatever it says of itself. So a
//! time that was asked for and cannot be kept is refused, and the default is shortened.

use std::time::{Duration, SystemTime};

use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::DateTime;

use crate::sdk_error::About;
use crate::upload::with_headers;
use crate::{Client, CustomerKey, Error, ObjectRef, Status, WriteOptions, elsewhere};

/// What the holder of the URL may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PresignMethod {
    /// Read the object.
    Get,
    /// Read its properties.
    Head,
    /// Write it.
    Put,
    /// Delete it.
    Delete,
}

/// Headers that the server is to answer a read with, instead of the object's own.
#[derive(Clone, Debug, Default)]
pub struct ResponseHeaders {
    /// `Content-Type`.
    pub content_type: Option<String>,
    /// `Content-Disposition`.
    pub content_disposition: Option<String>,
    /// `Content-Encoding`.
    pub content_encoding: Option<String>,
    /// `Content-Language`.
    pub content_language: Option<String>,
    /// `Cache-Control`.
    pub cache_control: Option<String>,
    /// `Expires`, in milliseconds since 1970.
    pub expires: Option<i64>,
}

/// What to allow, and for how long.
#[derive(Clone, Debug)]
pub struct PresignRequest {
    /// The object, or for reads and deletions one version of it.
    pub object: ObjectRef,
    /// What may be done.
    pub method: PresignMethod,
    /// For how many seconds. Unset: as long as the default and the credentials last.
    pub expires_in: Option<u32>,
    /// What a writer must say of the object, in headers of the same names and values.
    pub write: WriteOptions,
    /// How many bytes a writer must send.
    pub content_length: Option<u64>,
    /// What a reader is answered with.
    pub response: ResponseHeaders,
}

/// What AWS's own libraries take when nothing is asked for.
const DEFAULT_SECONDS: u32 = 900;
/// S3 refuses signatures that are to hold for longer: seven days.
const MOST_SECONDS: u32 = 604_800;

/// Makes a URL that needs no credentials.
///
/// # Errors
/// `InvalidInput` for a time that S3 or the credentials do not allow, and for a client without
/// credentials; `Unsupported` for a key that no URL can name; whatever the credentials' provider
/// reports.
pub async fn presign(client: &Client, request: PresignRequest) -> Result<String, Error> {
    let object = &request.object;
    let uri = format!("s3://{}/{}", object.bucket, object.key);
    presigned(client, &request, SystemTime::now(), &uri).await.map_err(|error| error.about(uri))
}

async fn presigned(
    client: &Client,
    request: &PresignRequest,
    now: SystemTime,
    uri: &str,
) -> Result<String, Error> {
    let object = &request.object;
    if object.key.split('/').any(|segment| matches!(segment, "." | "..")) {
        return Err(Error::new(
            Status::Unsupported,
            format!("no URL can name {uri}: whoever opens it resolves . and .. in its path"),
        )
        .hint("copy the object to another key, and presign that"));
    }
    if request.expires_in.is_some_and(|seconds| !(1..=MOST_SECONDS).contains(&seconds)) {
        return Err(Error::invalid(format!("expiresIn is not from 1 to {MOST_SECONDS} seconds"))
            .hint("S3 takes signed URLs for seven days at most"));
    }
    let connected = client.connected().await?;
    let about = About { client, connected, bucket: Some(&object.bucket), key: Some(&object.key) };
    let Some(cache) = &connected.credentials else {
        return Err(Error::invalid(format!(
            "presign of {uri}: this client is anonymous, and has nothing to sign with"
        ))
        .hint("presign with a client that has credentials, or share the plain URL"));
    };
    let identity = cache.identity().await.map_err(|error| about.unreachable(&error))?;
    let left = identity.expiration().map(|end| end.duration_since(now).unwrap_or_default());
    let seconds = seconds_of(request.expires_in, left, uri)?;
    let config = PresigningConfig::builder()
        .start_time(now)
        .expires_in(Duration::from_secs(u64::from(seconds)))
        .build()
        .map_err(|error| Error::internal(error.to_string()))?;

    let (bucket, key, version) = (&object.bucket, &object.key, object.version_id.clone());
    let answer = request.response.clone();
    let expires = answer.expires.map(DateTime::from_millis);
    let key_headers = CustomerKey::of(object);
    let s3 = &connected.s3;
    let signed = match request.method {
        PresignMethod::Get => {
            let get = s3
                .get_object()
                .bucket(bucket)
                .key(key)
                .set_version_id(version)
                .set_response_content_type(answer.content_type)
                .set_response_content_disposition(answer.content_disposition)
                .set_response_content_encoding(answer.content_encoding)
                .set_response_content_language(answer.content_language)
                .set_response_cache_control(answer.cache_control)
                .set_response_expires(expires);
            let get = with_headers!(elsewhere!(client, bucket, get), key_headers);
            let get = get.presigned(config).await;
            get.map_err(|error| about.unreachable(&error))?
        }
        PresignMethod::Head => {
            let head = s3
                .head_object()
                .bucket(bucket)
                .key(key)
                .set_version_id(version)
                .set_response_content_type(answer.content_type)
                .set_response_content_disposition(answer.content_disposition)
                .set_response_content_encoding(answer.content_encoding)
                .set_response_content_language(answer.content_language)
                .set_response_cache_control(answer.cache_control)
                .set_response_expires(expires);
            let head = with_headers!(elsewhere!(client, bucket, head), key_headers);
            let head = head.presigned(config).await;
            head.map_err(|error| about.unreachable(&error))?
        }
        PresignMethod::Put => {
            let length = request.content_length.map(i64::try_from).transpose();
            let length = length.map_err(|_| Error::invalid("contentLength is too large"))?;
            let put = s3.put_object().bucket(bucket).key(key).set_content_length(length);
            let put = elsewhere!(client, bucket, put);
            let mut headers = request.write.headers()?;
            headers.extend(request.write.conditions()?);
            let put = with_headers!(put, headers).presigned(config).await;
            put.map_err(|error| about.unreachable(&error))?
        }
        PresignMethod::Delete => {
            let delete = s3.delete_object().bucket(bucket).key(key).set_version_id(version);
            let delete = elsewhere!(client, bucket, delete).presigned(config).await;
            delete.map_err(|error| about.unreachable(&error))?
        }
    };
    Ok(signed.uri().to_owned())
}

/// How long a URL holds, given how long the credentials do.
fn seconds_of(asked: Option<u32>, left: Option<Duration>, uri: &str) -> Result<u32, Error> {
    let wanted = asked.unwrap_or(DEFAULT_SECONDS);
    let Some(left) = left else { return Ok(wanted) };
    let left = u32::try_from(left.as_secs()).unwrap_or(u32::MAX);
    if wanted <= left {
        return Ok(wanted);
    }
    match (asked, left) {
        (None, 1..) => Ok(left),
        _ => Err(Error::invalid(format!(
            "presign of {uri}: the credentials end in {left} seconds, and with them the URL, \
             which was to hold for {wanted}"
        ))
        .hint(match left {
            0 => "renew the credentials".to_owned(),
            left => {
                format!("pass an expiresIn of {left} at most, or use credentials that last longer")
            }
        })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ClientOptions, CredentialsOption};
    use aws_credential_types::Credentials;
    use aws_sigv4::http_request::{
        PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation, SigningSettings,
        UriPathNormalizationMode, sign,
    };
    use aws_sigv4::sign::v4;
    use aws_smithy_runtime_api::client::identity::Identity;
    use std::time::UNIX_EPOCH;

    fn client(endpoint: Option<&str>, path_style: bool, token: Option<&str>) -> Client {
        Client::new(ClientOptions {
            region: Some("eu-central-1".into()),
            endpoint: endpoint.map(str::to_owned),
            path_style: Some(path_style),
            credentials: CredentialsOption::Explicit {
                access_key_id: "AKID".into(),
                secret_access_key: "canary-secret".into(),
                session_token: token.map(str::to_owned),
            },
            ..ClientOptions::default()
        })
        .unwrap()
    }

    fn request(method: PresignMethod, key: &str) -> PresignRequest {
        PresignRequest {
            object: ObjectRef {
                bucket: "bucket".into(),
                key: key.into(),
                version_id: None,
                customer_key: None,
            },
            method,
            expires_in: Some(600),
            write: WriteOptions::default(),
            content_length: None,
            response: ResponseHeaders::default(),
        }
    }

    const NOW: u64 = 1_700_000_000;

    async fn url(client: &Client, request: &PresignRequest) -> Result<String, Error> {
        let now = UNIX_EPOCH + Duration::from_secs(NOW);
        presigned(client, request, now, "s3://bucket/key").await
    }

    /// The query of a URL, sorted.
    fn query(url: &str) -> Vec<String> {
        let (_, query) = url.split_once('?').unwrap();
        let mut parts: Vec<String> = query.split('&').map(str::to_owned).collect();
        parts.sort();
        parts
    }

    /// What `aws-sigv4` adds to the query of the same request.
    fn reference(
        method: &str,
        unsigned: &str,
        headers: &[(&str, &str)],
        token: Option<&str>,
    ) -> Vec<String> {
        let credentials =
            Credentials::new("AKID", "canary-secret", token.map(str::to_owned), None, "test");
        let identity = Identity::from(credentials);
        let mut settings = SigningSettings::default();
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.signature_location = SignatureLocation::QueryParams;
        settings.expires_in = Some(Duration::from_secs(600));
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region("eu-central-1")
            .name("s3")
            .time(UNIX_EPOCH + Duration::from_secs(NOW))
            .settings(settings)
            .build()
            .unwrap()
            .into();
        let body = SignableBody::UnsignedPayload;
        let signable =
            SignableRequest::new(method, unsigned, headers.iter().copied(), body).unwrap();
        let (instructions, _) = sign(signable, &params).unwrap().into_parts();
        let mut parts: Vec<String> = unsigned
            .split_once('?')
            .map(|(_, query)| query.split('&').map(str::to_owned).collect())
            .unwrap_or_default();
        for (name, value) in instructions.params() {
            let mut encoded = String::new();
            crate::site::encode(value, b"", &mut encoded);
            parts.push(format!("{name}={encoded}"));
        }
        parts.sort();
        parts
    }

    #[tokio::test]
    async fn urls_are_signed_as_aws_sigv4_signs_them() {
        let places = [
            (None, false, "https://bucket.s3.eu-central-1.amazonaws.com/"),
            (None, true, "https://s3.eu-central-1.amazonaws.com/bucket/"),
            (Some("http://127.0.0.1:9000"), true, "http://127.0.0.1:9000/bucket/"),
            (Some("http://h:9/s3/"), true, "http://h:9/s3/bucket/"),
        ];
        let keys = ["key", "a b/\u{fc}?#", "//double", "pl+us&=%2F", "\u{1f6b0}\n"];
        for (endpoint, path_style, place) in places {
            for token in [None, Some("to/ken+==")] {
                let client = client(endpoint, path_style, token);
                for key in keys {
                    for (method, name, id) in [
                        (PresignMethod::Get, "GET", "?x-id=GetObject"),
                        (PresignMethod::Head, "HEAD", ""),
                        (PresignMethod::Put, "PUT", "?x-id=PutObject"),
                        (PresignMethod::Delete, "DELETE", "?x-id=DeleteObject"),
                    ] {
                        let made = url(&client, &request(method, key)).await.unwrap();
                        let mut unsigned = place.to_owned();
                        crate::site::encode(key, b"/", &mut unsigned);
                        assert_eq!(made.split('?').next(), Some(unsigned.as_str()));
                        assert!(!made.contains("canary-secret"));
                        unsigned.push_str(id);
                        let host = place.split('/').nth(2).unwrap();
                        let expected = reference(name, &unsigned, &[("host", host)], token);
                        assert_eq!(query(&made), expected, "{made}");
                    }
                }
            }
        }
    }

    #[tokio::test]
    async fn what_is_asked_for_is_bound() {
        let client = client(Some("http://h:9"), true, None);
        let mut read = request(PresignMethod::Get, "key");
        read.object.version_id = Some("v&1".into());
        read.response.content_type = Some("text/plain; charset=utf-8".into());
        read.response.content_disposition = Some("attachment; filename=\"a b.txt\"".into());
        read.response.expires = Some(1_700_000_000_000);
        let made = url(&client, &read).await.unwrap();
        for part in [
            "versionId=v%261",
            "response-content-type=text%2Fplain%3B%20charset%3Dutf-8",
            "response-content-disposition=attachment%3B%20filename%3D%22a%20b.txt%22",
            "response-expires=Tue%2C%2014%20Nov%202023%2022%3A13%3A20%20GMT",
            "X-Amz-SignedHeaders=host",
        ] {
            assert!(query(&made).contains(&part.to_owned()), "{part} in {made}");
        }
        let mut write = request(PresignMethod::Put, "key");
        write.write.content_type = Some("text/csv".into());
        write.content_length = Some(5);
        let made = url(&client, &write).await.unwrap();
        let headers = [("content-length", "5"), ("content-type", "text/csv"), ("host", "h:9")];
        let unsigned = "http://h:9/bucket/key?x-id=PutObject";
        assert_eq!(query(&made), reference("PUT", unsigned, &headers, None));
        assert!(made.contains("X-Amz-SignedHeaders=content-length%3Bcontent-type%3Bhost"));
        write.write.metadata = [("By".to_owned(), "me".to_owned())].into();
        write.write.if_none_match = Some("*".into());
        let made = url(&client, &write).await.unwrap();
        let headers = [
            ("content-length", "5"),
            ("content-type", "text/csv"),
            ("host", "h:9"),
            ("if-none-match", "*"),
            ("x-amz-meta-by", "me"),
        ];
        assert_eq!(query(&made), reference("PUT", unsigned, &headers, None));
    }

    #[tokio::test]
    async fn a_key_is_signed_and_not_shown() {
        let client = client(Some("http://h:9"), true, None);
        let text = aws_smithy_types::base64::encode([7; 32]);
        let mut read = request(PresignMethod::Get, "key");
        read.object.customer_key = Some(CustomerKey::from_base64(&text).unwrap());
        let made = url(&client, &read).await.unwrap();
        let mut shown = String::new();
        crate::site::encode(&text, b"", &mut shown);
        assert!(!made.contains(&text) && !made.contains(&shown), "{made}");
        assert!(made.contains("customer-key-md5"), "{made}");
    }

    #[tokio::test]
    async fn what_cannot_hold_is_refused() {
        let with_keys = client(Some("http://h:9"), true, None);
        for key in [".", "..", "a/../b", "./a", "a/."] {
            let refused = url(&with_keys, &request(PresignMethod::Get, key)).await.unwrap_err();
            assert_eq!(refused.status, Status::Unsupported, "{key}");
        }
        for seconds in [0, MOST_SECONDS + 1] {
            let mut wrong = request(PresignMethod::Get, "key");
            wrong.expires_in = Some(seconds);
            assert_eq!(url(&with_keys, &wrong).await.unwrap_err().status, Status::InvalidInput);
        }
        let anonymous = Client::new(ClientOptions {
            region: Some("eu-central-1".into()),
            credentials: CredentialsOption::Anonymous,
            ..ClientOptions::default()
        })
        .unwrap();
        let refused = url(&anonymous, &request(PresignMethod::Get, "key")).await.unwrap_err();
        assert!(refused.message.contains("anonymous"), "{refused}");
    }

    #[test]
    fn a_url_promises_no_more_than_its_credentials() {
        let left = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(seconds_of(None, None, "u").unwrap(), 900);
        assert_eq!(seconds_of(Some(604_800), None, "u").unwrap(), 604_800);
        assert_eq!(seconds_of(None, left(3600), "u").unwrap(), 900);
        assert_eq!(seconds_of(None, left(60), "u").unwrap(), 60);
        assert_eq!(seconds_of(Some(60), left(60), "u").unwrap(), 60);
        let refused = seconds_of(Some(61), left(60), "u").unwrap_err();
        assert_eq!(refused.status, Status::InvalidInput);
        assert!(refused.message.contains("60 seconds") && refused.message.contains("61"));
        assert!(seconds_of(None, left(0), "u").is_err());
    }
}
