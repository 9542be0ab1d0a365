//! Where a bucket's objects are reached on the data plane, by the SDK's endpoint rules, and
//! the signed requests for them.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::SystemTime;

use aws_sdk_s3::config::endpoint::{DefaultResolver, Params, ResolveEndpoint};
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::identity::Identity;
use dipper_wire::Url;

use crate::client::is_arn;
use crate::plane::{Host, Pool, Request};
use crate::requester_pays::REQUEST_PAYER;
use crate::signer::{Signed, Signer};
use crate::{Error, Status};

/// The place of one bucket.
pub(crate) struct Site {
    pub(crate) url: Url,
    pub(crate) host: Arc<Host>,
    pub(crate) region: String,
    signing_region: String,
    signing_name: String,
    requester_pays: bool,
    signer: Signer,
}

impl std::fmt::Debug for Site {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Site({})", self.url.host)
    }
}

/// What all sites of a client have in common.
#[derive(Clone, Debug)]
pub(crate) struct Addressing {
    pub(crate) endpoint: Option<String>,
    pub(crate) path_style: bool,
    pub(crate) use_fips: bool,
    pub(crate) use_dual_stack: bool,
    pub(crate) accelerate: bool,
    /// The requester pays, and says so with each request.
    pub(crate) requester_pays: bool,
}

impl Site {
    /// Resolves a bucket. `None` for what only the SDK's client can reach: directory buckets
    /// and multi-region access points have ways of signing of their own.
    pub(crate) async fn resolve(
        addressing: &Addressing,
        bucket: &str,
        region: &str,
        pool: &Pool,
    ) -> Result<Option<Self>, Error> {
        let params = Params::builder()
            .bucket(bucket)
            .region(region)
            .set_endpoint(addressing.endpoint.clone())
            .force_path_style(addressing.path_style && !is_arn(bucket))
            .use_fips(addressing.use_fips)
            .use_dual_stack(addressing.use_dual_stack)
            .accelerate(addressing.accelerate)
            .build()
            .map_err(|error| Error::internal(error.to_string()))?;
        let resolver = DefaultResolver::new();
        let resolved = ResolveEndpoint::resolve_endpoint(&resolver, &params);
        // What the rules refuse, the SDK's client refuses in its own words.
        let Ok(endpoint) = resolved.await else { return Ok(None) };
        if endpoint.headers().next().is_some() {
            return Ok(None);
        }
        let mut signing_name = "s3".to_owned();
        let mut signing_region = region.to_owned();
        // The first is the one to use.
        if let Some(scheme) = endpoint.auth_schemes().first() {
            if scheme.name() != "sigv4" {
                return Ok(None);
            }
            let text = |name: &str| scheme.get(name).and_then(|value| value.as_string());
            if let Some(name) = text("signingName") {
                name.clone_into(&mut signing_name);
            }
            if let Some(region) = text("signingRegion") {
                region.clone_into(&mut signing_region);
            }
        }
        let Some(url) = Url::parse(endpoint.url()) else { return Ok(None) };
        let host = pool.host(&url);
        let region = region.to_owned();
        let signer = Signer::default();
        let requester_pays = addressing.requester_pays;
        Ok(Some(Self { url, host, region, signing_region, signing_name, requester_pays, signer }))
    }

    /// A request about an object, or without a key about the bucket, signed if there is an
    /// identity. The names of the query and of the headers are plain, the query's sorted.
    pub(crate) fn request(
        &self,
        method: &str,
        key: Option<&str>,
        query: &[(&str, &str)],
        headers: &[(&str, &str)],
        identity: Option<&Identity>,
    ) -> Result<Request, Error> {
        let mut target = self.url.target.trim_end_matches('/').to_owned();
        target.push('/');
        encode(key.unwrap_or_default(), b"/", &mut target);
        for (index, (name, value)) in query.iter().enumerate() {
            target.push(if index == 0 { '?' } else { '&' });
            target.push_str(name);
            target.push('=');
            encode(value, b"", &mut target);
        }
        let with_payer: Vec<(&str, &str)>;
        let headers = if self.requester_pays {
            with_payer = headers.iter().copied().chain([REQUEST_PAYER]).collect();
            &with_payer
        } else {
            headers
        };
        let host = self.url.host_header();
        let mut text = String::with_capacity(1024);
        let _ = write!(text, "{method} {target} HTTP/1.1\r\nhost: {host}\r\n");
        for (name, value) in headers {
            if value.contains(['\r', '\n']) {
                return Err(Error::invalid(format!("the {name} header holds a line break")));
            }
            let _ = write!(text, "{name}: {value}\r\n");
        }
        if let Some(identity) = identity {
            let about = Signed {
                method,
                target: &target,
                host: &host,
                headers,
                region: &self.signing_region,
                service: &self.signing_name,
            };
            if !self.signer.sign(&about, identity, SystemTime::now(), &mut text) {
                let scheme = if self.url.tls { "https" } else { "http" };
                let uri = format!("{scheme}://{host}{target}");
                self.sign(method, &uri, &host, headers, identity, &mut text)?;
            }
        }
        text.push_str("accept: */*\r\n\r\n");
        let head_only = method == "HEAD";
        Ok(Request { bytes: text.into_bytes(), head_only, ..Request::default() })
    }

    fn sign(
        &self,
        method: &str,
        uri: &str,
        host: &str,
        headers: &[(&str, &str)],
        identity: &Identity,
        text: &mut String,
    ) -> Result<(), Error> {
        let failed = |error: &dyn std::error::Error| {
            Error::new(Status::Internal, format!("the request cannot be signed: {error}"))
        };
        let mut settings = SigningSettings::default();
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        let params = v4::SigningParams::builder()
            .identity(identity)
            .region(&self.signing_region)
            .name(&self.signing_name)
            .time(SystemTime::now())
            .settings(settings)
            .build()
            .map_err(|error| failed(&error))?
            .into();
        let all = [("host", host)].into_iter().chain(headers.iter().copied());
        let request = SignableRequest::new(method, uri, all, SignableBody::UnsignedPayload)
            .map_err(|error| failed(&error))?;
        let (instructions, _signature) =
            sign(request, &params).map_err(|error| failed(&error))?.into_parts();
        for (name, value) in instructions.headers() {
            let _ = write!(text, "{name}: {value}\r\n");
        }
        Ok(())
    }
}

/// Percent-encodes all but the unreserved characters of RFC 3986 and `keep`.
pub(crate) fn encode(text: &str, keep: &[u8], into: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || keep.contains(&byte) {
            into.push(char::from(byte));
        } else {
            let _ = write!(into, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_credential_types::Credentials;
    use std::time::Duration;

    fn addressing(endpoint: Option<&str>, path_style: bool) -> Addressing {
        Addressing {
            endpoint: endpoint.map(str::to_owned),
            path_style,
            use_fips: false,
            use_dual_stack: false,
            accelerate: false,
            requester_pays: false,
        }
    }

    #[tokio::test]
    async fn buckets_are_found_as_the_sdk_finds_them() {
        let pool = Pool::new(None, Duration::from_secs(1), 4);
        for (endpoint, path_style, bucket, url) in [
            (None, false, "bucket", Some("https://bucket.s3.eu-central-1.amazonaws.com/")),
            (None, true, "bucket", Some("https://s3.eu-central-1.amazonaws.com/bucket")),
            (None, false, "a.b", Some("https://s3.eu-central-1.amazonaws.com/a.b")),
            (Some("http://127.0.0.1:9"), true, "bucket", Some("http://127.0.0.1:9/bucket")),
            (Some("http://h:9/s3/"), true, "bucket", Some("http://h:9/s3/bucket")),
            (Some("http://[::1]:9"), true, "bucket", Some("http://[::1]:9/bucket")),
            (
                None,
                true,
                "arn:aws:s3:eu-west-1:123456789012:accesspoint/ap",
                Some("https://ap-123456789012.s3-accesspoint.eu-west-1.amazonaws.com/"),
            ),
            (
                Some("http://h:9"),
                true,
                "arn:aws:s3:eu-west-1:123456789012:accesspoint/ap",
                Some("http://ap-123456789012.h:9/"),
            ),
            // Directory buckets sign in their own way.
            (None, false, "bucket--use1-az4--x-s3", None),
        ] {
            let site =
                Site::resolve(&addressing(endpoint, path_style), bucket, "eu-central-1", &pool)
                    .await
                    .unwrap();
            let found = site.map(|site| site.url);
            assert_eq!(found, url.and_then(Url::parse), "{bucket}");
        }
    }

    #[tokio::test]
    async fn hosts_of_aws_follow_the_options() {
        let pool = Pool::new(None, Duration::from_secs(1), 4);
        for (use_fips, use_dual_stack, accelerate, url) in [
            (true, false, false, "https://b-b.s3-fips.us-east-2.amazonaws.com/"),
            (false, true, false, "https://b-b.s3.dualstack.us-east-2.amazonaws.com/"),
            (true, true, false, "https://b-b.s3-fips.dualstack.us-east-2.amazonaws.com/"),
            (false, false, true, "https://b-b.s3-accelerate.amazonaws.com/"),
            (false, true, true, "https://b-b.s3-accelerate.dualstack.amazonaws.com/"),
        ] {
            let plain = addressing(None, false);
            let changed = Addressing { use_fips, use_dual_stack, accelerate, ..plain };
            let site = Site::resolve(&changed, "b-b", "us-east-2", &pool).await.unwrap().unwrap();
            assert_eq!(Some(site.url), Url::parse(url));
        }
    }

    #[tokio::test]
    async fn an_access_point_is_signed_for_its_own_region() {
        let pool = Pool::new(None, Duration::from_secs(1), 4);
        let arn = "arn:aws:s3:eu-west-1:123456789012:accesspoint/ap";
        let requester_pays = true;
        let paid = Addressing { requester_pays, ..addressing(None, false) };
        let site = Site::resolve(&paid, arn, "us-east-1", &pool).await.unwrap().unwrap();
        let identity = Identity::from(Credentials::new("id", "secret", None, None, "t"));
        let request = site.request("GET", Some("k"), &[], &[], Some(&identity)).unwrap();
        let text = String::from_utf8(request.bytes).unwrap();
        assert!(text.contains("/eu-west-1/s3/aws4_request"), "{text}");
        assert!(text.contains("\r\nx-amz-request-payer: requester\r\n"), "{text}");
        assert!(text.contains("x-amz-date;x-amz-request-payer,"), "{text}");
    }

    #[tokio::test]
    async fn requests_are_signed_and_safe() {
        let pool = Pool::new(None, Duration::from_secs(1), 4);
        let site = Site::resolve(&addressing(Some("http://h:9"), true), "b", "r", &pool)
            .await
            .unwrap()
            .unwrap();
        let identity = Identity::from(Credentials::new("id", "canary-secret", None, None, "t"));
        let request = site
            .request(
                "GET",
                Some("a b/ü?#"),
                &[("versionId", "v&1")],
                &[("range", "bytes=0-1")],
                Some(&identity),
            )
            .unwrap();
        let text = String::from_utf8(request.bytes).unwrap();
        assert!(
            text.starts_with("GET /b/a%20b/%C3%BC%3F%23?versionId=v%261 HTTP/1.1\r\nhost: h:9\r\n")
        );
        assert!(text.contains("range: bytes=0-1\r\n") && text.contains("authorization: AWS4-HMAC"));
        assert!(text.contains("x-amz-content-sha256: UNSIGNED-PAYLOAD\r\n"));
        assert!(!text.contains("canary-secret") && text.ends_with("\r\n\r\n"));
        let unsigned = site.request("HEAD", Some("k"), &[], &[], None).unwrap();
        assert!(unsigned.head_only && !String::from_utf8(unsigned.bytes).unwrap().contains("AWS4"));
        assert!(site.request("GET", Some("k"), &[], &[("if-match", "a\r\nx: y")], None).is_err());
    }
}
