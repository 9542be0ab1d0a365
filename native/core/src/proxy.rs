//! Proxies, as the environment names them: `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and
//! `NO_PROXY`, in capitals or not. The small letters win, as with curl.

use std::collections::HashMap;

use aws_smithy_http_client::proxy::ProxyConfig;
use dipper_wire::Url;

use crate::Error;

/// Which requests go through which proxy.
#[derive(Clone, Default)]
pub(crate) struct Proxies {
    http: Option<Proxy>,
    https: Option<Proxy>,
    exceptions: Vec<String>,
}

/// A proxy. Its address may hold a password and is never shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Proxy {
    url: Url,
    credentials: Option<(String, String)>,
}

impl std::fmt::Debug for Proxies {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Proxies")
    }
}

impl Proxies {
    /// Reads the variables.
    ///
    /// # Errors
    /// `InvalidInput` that names a variable whose value is no proxy's address.
    pub(crate) fn from_variables(variables: &HashMap<String, String>) -> Result<Self, Error> {
        let find = |name: &str| {
            [name.to_ascii_lowercase(), name.to_owned()]
                .into_iter()
                .find_map(|name| Some((variables.get(&name)?, name)))
                .filter(|(value, _)| !value.trim().is_empty())
        };
        let proxy = |name: &str| {
            let found = find(name).or_else(|| find("ALL_PROXY"));
            found.map(|(value, name)| Proxy::parse(value, &name)).transpose()
        };
        let exceptions = find("NO_PROXY").map_or(Vec::new(), |(value, _)| {
            value
                .split([',', ' '])
                .map(|rule| rule.trim().to_ascii_lowercase())
                .filter(|rule| !rule.is_empty())
                .collect()
        });
        Ok(Self { http: proxy("HTTP_PROXY")?, https: proxy("HTTPS_PROXY")?, exceptions })
    }

    /// The proxy for a request, if it goes through one.
    pub(crate) fn of(&self, tls: bool, host: &str, port: u16) -> Option<&Proxy> {
        let proxy = if tls { self.https.as_ref() } else { self.http.as_ref() }?;
        let host = host.to_ascii_lowercase();
        let excepted = self.exceptions.iter().any(|rule| {
            let (name, wanted) = match rule.rsplit_once(':') {
                Some((name, digits))
                    if !name.contains(':') && digits.bytes().all(|byte| byte.is_ascii_digit()) =>
                {
                    (name, digits.parse::<u16>().ok())
                }
                _ => (rule.as_str(), None),
            };
            let name = name.trim_start_matches("*.").trim_start_matches('.');
            wanted.is_none_or(|wanted| wanted == port)
                && (name == "*"
                    || name.trim_start_matches('[').trim_end_matches(']') == host
                    || host.strip_suffix(name).is_some_and(|rest| rest.ends_with('.')))
        });
        (!excepted).then_some(proxy)
    }

    pub(crate) fn http(&self) -> Option<&Proxy> {
        self.http.as_ref()
    }

    pub(crate) fn https(&self) -> Option<&Proxy> {
        self.https.as_ref()
    }
}

impl Proxy {
    fn parse(text: &str, name: &str) -> Result<Self, Error> {
        let refused = || {
            Error::invalid(format!("{name} is not the address of an HTTP proxy"))
                .hint("write it as http://proxy.example.com:8080")
        };
        let text = text.trim();
        let text = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let mut parsed = url::Url::parse(&text).map_err(|_| refused())?;
        let decode = |part: &str| {
            percent_encoding::percent_decode_str(part).decode_utf8_lossy().into_owned()
        };
        let credentials = (!parsed.username().is_empty())
            .then(|| (decode(parsed.username()), decode(parsed.password().unwrap_or_default())));
        let plain = parsed.set_username("").and_then(|()| parsed.set_password(None));
        plain.map_err(|()| refused())?;
        let url = Url::parse(parsed.as_str()).filter(|_| parsed.scheme() == "http");
        Ok(Self { url: url.ok_or_else(refused)?, credentials })
    }

    /// `host:port`, as `--allow-net` spells it.
    pub(crate) fn host_and_port(&self) -> String {
        self.url.host_and_port()
    }

    pub(crate) fn config(&self) -> Result<ProxyConfig, Error> {
        let config = ProxyConfig::all(format!("http://{}/", self.url.host_and_port()))
            .map_err(|error| Error::invalid(format!("the proxy cannot be used: {error}")))?;
        Ok(match &self.credentials {
            Some((user, password)) => config.with_basic_auth(user, password),
            None => config,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(variables: &[(&str, &str)]) -> Result<Proxies, Error> {
        let variables =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Proxies::from_variables(&variables.collect())
    }

    #[test]
    fn the_scheme_and_the_exceptions_decide() {
        let proxies = proxies(&[
            ("HTTP_PROXY", "http://u:p%40@proxy:3128"),
            ("https_proxy", "other:80"),
            ("HTTPS_PROXY", "http://wrong:80"),
            ("NO_PROXY", "localhost, .inner.example,10.0.0.1, host:81,::1"),
        ])
        .unwrap();
        let of = |tls, host, port| proxies.of(tls, host, port).map(Proxy::host_and_port);
        assert_eq!(of(false, "s3.example", 80).as_deref(), Some("proxy:3128"));
        assert_eq!(of(true, "s3.example", 443).as_deref(), Some("other:80"));
        assert_eq!(of(false, "host", 80).as_deref(), Some("proxy:3128"));
        for (host, port) in
            [("localhost", 80), ("a.inner.example", 80), ("10.0.0.1", 9), ("host", 81), ("::1", 80)]
        {
            assert_eq!(of(false, host, port), None, "{host}");
        }
        assert_eq!(of(false, "notlocalhost", 80).as_deref(), Some("proxy:3128"));
        let credentials = proxies.http.unwrap().credentials.unwrap();
        assert_eq!(credentials, ("u".to_owned(), "p@".to_owned()));
    }

    #[test]
    fn nonsense_is_refused_and_not_shown() {
        for value in ["http://u:canary@", "https://u:canary@h:1", "socks5://canary:1", "http://a b"]
        {
            let error = proxies(&[("HTTP_PROXY", value)]).err().unwrap();
            assert!(error.message.contains("http_proxy") || error.message.contains("HTTP_PROXY"));
            assert!(!error.message.contains("canary"));
        }
        assert!(proxies(&[("HTTP_PROXY", " ")]).unwrap().of(false, "h", 80).is_none());
        let all = proxies(&[("ALL_PROXY", "p:1"), ("NO_PROXY", "*")]).unwrap();
        assert!(all.of(true, "h", 443).is_none());
    }
}
