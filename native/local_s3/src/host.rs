//! Which bucket a `Host` header names: `bucket.localhost:PORT` does, everything else is path style.

use s3s::S3Result;
use s3s::host::{S3Host, VirtualHost};

pub struct LocalHost;

impl S3Host for LocalHost {
    fn parse_host_header<'a>(&'a self, host: &'a str) -> S3Result<VirtualHost<'a>> {
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => host,
        };
        Ok(match name.strip_suffix(".localhost") {
            Some(bucket) if !bucket.is_empty() => VirtualHost::new("localhost").with_bucket(bucket),
            _ => VirtualHost::new(name),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_below_localhost() {
        let bucket =
            |host: &str| LocalHost.parse_host_header(host).unwrap().bucket().map(str::to_owned);
        assert_eq!(bucket("taxi.localhost:9000").as_deref(), Some("taxi"));
        assert_eq!(bucket("a.b.localhost").as_deref(), Some("a.b"));
        assert_eq!(bucket("localhost:9000"), None);
        assert_eq!(bucket("example.com"), None);
    }
}
