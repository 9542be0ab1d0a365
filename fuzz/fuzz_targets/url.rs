//! URLs: what is accepted cannot break out of a request line or a `Host` header, and its parts
//! put together again are the same URL.

#![no_main]

use dipper_wire::Url;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Some(url) = Url::parse(text) else { return };
    assert!(!url.host.is_empty());
    assert!(url.target.starts_with('/') && !url.target.contains('#'));
    for part in [&url.target, &url.host_header(), &url.host_and_port()] {
        assert!(part.bytes().all(|byte| byte.is_ascii_graphic()), "{part:?}");
    }
    for part in [&url.host_header(), &url.host_and_port()] {
        assert!(!part.contains(['/', '?', '#', '@', '\\', ',']), "{part:?}");
    }
    // The target is the URL's own end: nothing is decoded, moved or dropped.
    assert!(text.ends_with(url.target.strip_prefix('/').unwrap_or_default()));
    let scheme = if url.tls { "https" } else { "http" };
    for authority in [url.host_and_port(), url.host_header()] {
        let again = format!("{scheme}://{authority}{}", url.target);
        assert_eq!(Url::parse(&again).as_ref(), Some(&url), "{again:?}");
    }
});
