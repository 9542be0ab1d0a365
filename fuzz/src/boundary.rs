//! The exported functions, as `ffi/symbols.ts` has them.

/// One exported function.
#[derive(Debug)]
pub struct Function {
    /// The symbol.
    pub name: &'static str,
    /// What it does.
    pub doc: &'static str,
    /// Names and TypeScript types; bytes cross as a pointer and a length.
    pub parameters: &'static [(&'static str, &'static str)],
    /// The TypeScript type.
    pub result: &'static str,
}

include!(concat!(env!("OUT_DIR"), "/boundary.rs"));
