//! Asks the linker for a smaller library, where it knows how: see "The build" in ARCHITECTURE.md.

use std::env;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// No names of functions. Cargo forgets the profile's `strip` for a package with settings of its own.
const STRIPPED: &str = "-Wl,--strip-all";
/// Functions whose machine code is the same are kept once. Rust promises no function an address of
/// its own.
const FOLDED: &str = "-Wl,--icf=all";
/// The addresses that the loader fills in, as bits instead of 24 bytes each.
const PACKED: &str = "-Wl,-z,pack-relative-relocs";
/// The first glibc whose loader reads them.
const READS_PACKED: (u32, u32) = (2, 36);

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if var("CARGO_CFG_TARGET_OS") != "linux" {
        return;
    }
    let mut wanted = vec![STRIPPED, FOLDED];
    if glibc().is_some_and(|version| version >= READS_PACKED) {
        wanted.push(PACKED);
    }
    for flag in wanted {
        if links(flag) {
            println!("cargo::rustc-cdylib-link-arg={flag}");
        }
    }
}

/// Whether a library of nothing links with a flag: which linker rustc calls depends on the
/// toolchain, the target and the user's settings.
fn links(flag: &str) -> bool {
    let folder = var("OUT_DIR");
    let source = Path::new(&folder).join("nothing.rs");
    if fs::write(&source, "#[unsafe(no_mangle)]\npub extern \"C\" fn nothing() {}\n").is_err() {
        return false;
    }
    let mut rustc = Command::new(var("RUSTC"));
    rustc
        .args(["--crate-type=cdylib", "--edition=2024", "--target", &var("TARGET")])
        .args(var("CARGO_ENCODED_RUSTFLAGS").split('\u{1f}').filter(|flag| !flag.is_empty()))
        .arg(format!("-Clink-arg={flag}"))
        .arg("-o")
        .arg(Path::new(&folder).join("nothing.so"))
        .arg(&source)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if let Ok(linker) = env::var("RUSTC_LINKER") {
        rustc.arg(format!("-Clinker={linker}"));
    }
    rustc.status().is_ok_and(|status| status.success())
}

/// The glibc that this runs on, when the library is for this machine.
fn glibc() -> Option<(u32, u32)> {
    if var("CARGO_CFG_TARGET_ENV") != "gnu" || var("HOST") != var("TARGET") {
        return None;
    }
    let output = Command::new("getconf").arg("GNU_LIBC_VERSION").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let (major, minor) = text.trim().strip_prefix("glibc ")?.split_once('.')?;
    Some((major.parse().ok()?, minor.split('.').next()?.parse().ok()?))
}

/// What cargo tells; empty when it does not.
fn var(name: &str) -> String {
    env::var(name).unwrap_or_default()
}
