//! A page on the web: `http://` and `https://` addresses, read like objects.

use aws_sdk_s3::primitives::ByteStream;
use aws_smithy_runtime_api::client::http::HttpConnector;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use dipper_wire::{ContentRange, Url};

use crate::metrics::{Meter, Transport};
use crate::origin::{Answer, Ask, Flow, Pieces, Told, told_by};
use crate::plane::{Answer as Reply, ExchangeError, Request};
use crate::sdk_error::{connector_error, exchange_error};
use crate::span::Span;
use crate::{Client, Error, Status};

/// The address of a page.
#[derive(Clone)]
pub(crate) struct Page {
    address: url::Url,
    url: Url,
}

/// How often a page may have moved.
const MOST_REDIRECTS: u32 = 10;

impl Page {
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let refused = || {
            Error::invalid("this is not the address of a page")
                .hint("write it as https://host/path, without user and password")
        };
        let mut address = url::Url::parse(text).map_err(|_| refused())?;
        address.set_fragment(None);
        let url = Url::parse(address.as_str()).ok_or_else(refused)?;
        Ok(Self { address, url })
    }

    /// Without the query, which may hold a signature.
    pub(crate) fn shown(&self) -> String {
        let mut shown = self.address.clone();
        shown.set_query(None);
        let more = if self.address.query().is_some() { "?…" } else { "" };
        format!("{shown}{more}")
    }

    pub(crate) fn url(&self) -> Url {
        self.url.clone()
    }

    /// Where an answer sends the client instead.
    fn next(&self, location: Option<&str>) -> Result<Self, Error> {
        let moved = location.and_then(|location| self.address.join(location).ok());
        moved.and_then(|address| Self::parse(address.as_str()).ok()).ok_or_else(|| {
            Error::new(
                Status::NotS3,
                format!("{} has moved, but does not say where to", self.shown()),
            )
        })
    }

    pub(crate) async fn open(
        &self,
        client: &Client,
        ask: Ask<'_>,
        meter: &Meter,
    ) -> Result<Answer, Error> {
        let range = ask.span.header();
        // A weak tag never matches; later answers are compared with the first instead.
        let if_match = ask.if_match.filter(|etag| !etag.starts_with("W/"));
        let mut headers: Vec<(&str, &str)> = Vec::with_capacity(2);
        headers.extend(range.as_deref().map(|range| ("range", range)));
        headers.extend(if_match.map(|etag| ("if-match", etag)));
        let mut page = self.clone();
        for _ in 0..MOST_REDIRECTS {
            if client.is_proxied(&page.url) {
                return page.open_by_hyper(client, &headers, meter).await;
            }
            let (head, reply) = page.send(client, "GET", &headers, meter).await?;
            if is_redirect(head.status) {
                page = page.next(head.get("location"))?;
                continue;
            }
            page.check(head.status)?;
            meter.took(Transport::Direct);
            return match reply {
                Reply::Sized(body) => {
                    Ok(Answer { told: told_by(&head, true), body: Flow::Direct(body) })
                }
                // Without a length it is read to its end.
                reply @ (Reply::Empty | Reply::Chunked(_) | Reply::UntilClose(_)) => {
                    drop(reply);
                    page.open_by_hyper(client, &headers, meter).await
                }
            };
        }
        Err(self.too_many_redirects())
    }

    pub(crate) async fn head(&self, client: &Client, meter: &Meter) -> Result<Told, Error> {
        match self.ask_head(client, meter).await {
            Ok(told) if told.length.is_some() => Ok(told),
            // A page that is made while it is sent has a length only when all of it is there.
            Ok(told) => Ok(self.look(client, meter).await.unwrap_or(told)),
            // Some servers know no HEAD, and an address that is signed for a GET allows none.
            Err(error) if matches!(error.http_status, Some(403 | 405 | 501)) => {
                self.look(client, meter).await
            }
            Err(error) => Err(error),
        }
    }

    /// Reads the first byte, for what the head of that answer tells.
    async fn look(&self, client: &Client, meter: &Meter) -> Result<Told, Error> {
        let span = Span::Range { start: 0, end: Some(1) };
        let ask = Ask { span, if_match: None, checksum: false, stat: true, ahead: 0 };
        let told = match self.open(client, ask, meter).await {
            Ok(answer) => answer.told,
            // There is no first byte.
            Err(error) if error.http_status == Some(416) => {
                return Ok(Told { length: Some(0), ..Told::default() });
            }
            Err(error) => return Err(error),
        };
        let length = match told.range {
            Some(ContentRange::Part { size, .. }) => size,
            _ => told.length,
        };
        Ok(Told { length, range: None, ..told })
    }

    async fn ask_head(&self, client: &Client, meter: &Meter) -> Result<Told, Error> {
        let mut page = self.clone();
        for _ in 0..MOST_REDIRECTS {
            if client.is_proxied(&page.url) {
                let answer = page.ask_hyper(client, "HEAD", &[], meter).await?;
                return Ok(answer.told);
            }
            let (head, _) = page.send(client, "HEAD", &[], meter).await?;
            if is_redirect(head.status) {
                page = page.next(head.get("location"))?;
                continue;
            }
            page.check(head.status)?;
            return Ok(told_by(&head, true));
        }
        Err(self.too_many_redirects())
    }

    async fn send(
        &self,
        client: &Client,
        method: &str,
        headers: &[(&str, &str)],
        meter: &Meter,
    ) -> Result<(dipper_wire::Head, Reply), Error> {
        let mut text = format!(
            "{method} {} HTTP/1.1\r\nhost: {}\r\naccept: */*\r\nuser-agent: dipper\r\n",
            self.url.target,
            self.url.host_header()
        );
        for (name, value) in headers {
            if value.contains(['\r', '\n']) {
                return Err(Error::invalid(format!("the {name} header holds a line break")));
            }
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str("\r\n");
        let request =
            Request { bytes: text.into_bytes(), head_only: method == "HEAD", ..Request::default() };
        let host = client.pool().host(&self.url);
        meter.request(false);
        client
            .pool()
            .exchange(&host, &self.url, &request, client.stall_timeout(), meter)
            .await
            .map_err(|error| exchange_error(error, &self.place()).about(self.shown()))
    }

    fn place(&self) -> String {
        self.url.host_and_port()
    }

    async fn open_by_hyper(
        &self,
        client: &Client,
        headers: &[(&str, &str)],
        meter: &Meter,
    ) -> Result<Answer, Error> {
        let mut page = self.clone();
        for _ in 0..MOST_REDIRECTS {
            let answer = page.ask_hyper(client, "GET", headers, meter).await?;
            match answer.moved {
                Some(location) => page = page.next(Some(&location))?,
                None => {
                    meter.took(Transport::Http);
                    return Ok(Answer {
                        told: answer.told,
                        body: Flow::Pieces(Pieces::new(answer.body, None)),
                    });
                }
            }
        }
        Err(self.too_many_redirects())
    }

    async fn ask_hyper(
        &self,
        client: &Client,
        method: &str,
        headers: &[(&str, &str)],
        meter: &Meter,
    ) -> Result<Asked, Error> {
        let mut request = HttpRequest::empty();
        let made = request.set_method(method).is_ok() && request.set_uri(self.url_text()).is_ok();
        if !made {
            return Err(Error::invalid("this address cannot be asked for"));
        }
        for (name, value) in headers {
            let _ = request.headers_mut().try_insert((*name).to_owned(), (*value).to_owned());
        }
        meter.request(false);
        let patience = client.connect_timeout() + client.stall_timeout();
        let answer = tokio::time::timeout(patience, client.web().call(request))
            .await
            .map_err(|_| exchange_error(ExchangeError::Stalled(patience), &self.place()))?
            .map_err(|error| connector_error(&error, &self.place()).about(self.shown()))?;
        let status = answer.status().as_u16();
        let mut text = format!("HTTP/1.1 {status} \r\n");
        for (name, value) in answer.headers() {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str("\r\n");
        let dipper_wire::Parsed::Head(head) = dipper_wire::parse(text.as_bytes()) else {
            return Err(Error::new(Status::NotS3, "the head of the answer makes no sense"));
        };
        if is_redirect(status) {
            let moved = Some(head.get("location").unwrap_or_default().to_owned());
            return Ok(Asked { moved, told: Told::default(), body: ByteStream::default() });
        }
        self.check(status)?;
        let body = ByteStream::new(answer.into_body());
        Ok(Asked { moved: None, told: told_by(&head, true), body })
    }

    fn url_text(&self) -> String {
        let scheme = if self.url.tls { "https" } else { "http" };
        format!("{scheme}://{}{}", self.url.host_header(), self.url.target)
    }

    fn check(&self, status: u16) -> Result<(), Error> {
        let shown = self.shown();
        let (kind, what) = match status {
            200..300 => return Ok(()),
            401 | 403 => (Status::AccessDenied, format!("{shown} is not for everybody")),
            404 | 410 => (Status::NotFound, format!("{shown} does not exist")),
            412 => (Status::PreconditionFailed, format!("the condition on {shown} does not hold")),
            416 => (Status::InvalidRange, format!("the range lies outside {shown}")),
            429 => (Status::SlowDown, format!("{shown} is asked for too often")),
            503 => (Status::SlowDown, format!("{shown} is not available now")),
            500.. => (Status::ServerFailure, format!("the server of {shown} failed")),
            _ => (Status::InvalidRequest, format!("{shown} refuses the request")),
        };
        let mut error = Error::new(kind, format!("{what} (HTTP {status})")).about(shown);
        error.http_status = Some(status);
        error.hint = match status {
            401 | 403 if self.url.target.contains("X-Amz-Signature=") => Some(
                "a presigned URL ends after a while, holds for one method, and with the rights of \
                 whoever signed it: have a new one made"
                    .to_owned(),
            ),
            401 | 403 => Some(
                "dipper sends web addresses no credentials: use a presigned URL, or its s3:// URI"
                    .to_owned(),
            ),
            404 | 410 => Some("check the address".to_owned()),
            429 | 503 => Some("try again later".to_owned()),
            _ => None,
        };
        Err(error)
    }

    fn too_many_redirects(&self) -> Error {
        Error::new(
            Status::NotS3,
            format!("{} moves on more than {MOST_REDIRECTS} times", self.shown()),
        )
        .about(self.shown())
    }
}

struct Asked {
    moved: Option<String>,
    told: Told,
    body: ByteStream,
}

fn is_redirect(status: u16) -> bool {
    matches!(status, 301 | 302 | 303 | 307 | 308)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_shown_without_their_query() {
        let page = Page::parse("https://h/a b?X-Amz-Signature=canary#part").unwrap();
        assert_eq!(page.shown(), "https://h/a%20b?…");
        assert_eq!(page.url.target, "/a%20b?X-Amz-Signature=canary");
        for text in ["ftp://h/", "http://user:canary@h/", "h", "http://"] {
            let error = Page::parse(text).err().unwrap();
            assert!(!error.message.contains("canary"));
        }
    }

    #[test]
    fn redirects_are_relative_to_the_page() {
        let page = Page::parse("http://h/a/b").unwrap();
        for (location, shown) in
            [("c", "http://h/a/c"), ("/c", "http://h/c"), ("https://other/", "https://other/")]
        {
            assert_eq!(page.next(Some(location)).unwrap().shown(), shown);
        }
        assert!(page.next(None).is_err());
        assert!(page.next(Some("file:///etc/passwd")).is_err());
    }
}
