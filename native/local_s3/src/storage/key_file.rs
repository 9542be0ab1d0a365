//! The file name of a key.
//!
//! The name is the SHA-256 of the key in hexadecimal, in 256 directories by its first byte; the key
//! itself stands in the record. So every key that S3 allows has a name (`../x`, `a//b`, a NUL, 1,024
//! bytes, `a` beside `a/b`, `A` beside `a` on a file system that ignores case), no name leaves the
//! directory, and nothing has to be escaped or unescaped.

use s3s::crypto::{Checksum as _, Sha256};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Where the file of a version of an object lies below `root`; the null version's name has no ending.
/// Identifiers of versions come from this server and are plain names.
pub fn path(root: &Path, key: &str, version: Option<&str>) -> PathBuf {
    let name = hexadecimal(&Sha256::checksum(key.as_bytes()));
    let (directory, file) = name.split_at(2);
    let directory = root.join(directory);
    match version {
        None => directory.join(file),
        Some(version) => directory.join(format!("{file}.{version}")),
    }
}

/// Lowercase hexadecimal.
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The inverse of [`hexadecimal`].
pub fn from_hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    digits
        .chunks_exact(2)
        .map(|pair| {
            let digit = |byte: u8| char::from(byte).to_digit(16);
            match pair {
                [high, low] => u8::try_from(digit(*high)? << 4 | digit(*low)?).ok(),
                _ => None,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_key_has_its_own_plain_name() {
        let root = Path::new("/r");
        let long = "k".repeat(1024);
        let keys = [
            "a",
            "A",
            "a/b",
            "a//b",
            "../x",
            "/abs",
            ".",
            "..",
            "tr/",
            "\n",
            "\0",
            "😀",
            long.as_str(),
        ];
        let names: HashSet<PathBuf> = keys.iter().map(|key| path(root, key, None)).collect();
        assert_eq!(names.len(), keys.len());
        for name in names {
            let parts: Vec<String> = name
                .strip_prefix(root)
                .unwrap()
                .iter()
                .map(|part| part.to_str().unwrap().to_owned())
                .collect();
            assert_eq!((parts.len(), parts[0].len(), parts[1].len()), (2, 2, 62));
            assert!(parts.concat().bytes().all(|byte| byte.is_ascii_hexdigit()));
        }
    }

    #[test]
    fn hexadecimal_round_trip() {
        assert_eq!(from_hexadecimal(&hexadecimal(b"\0\xffaz")).as_deref(), Some(&b"\0\xffaz"[..]));
        assert_eq!(from_hexadecimal("abc"), None);
        assert_eq!(from_hexadecimal("zz"), None);
        assert_eq!(from_hexadecimal("é"), None);
    }
}
