//! Reads the boundary from `ffi/symbols.ts`, which is rendered from the one declaration, and
//! emits a table of all exported functions and a typed call for each. So a function that is new
//! is fuzzed as soon as it is declared.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

fn main() {
    let path = Path::new(&env::var("CARGO_MANIFEST_DIR").unwrap()).join("../ffi/symbols.ts");
    println!("cargo:rerun-if-changed={}", path.display());
    // The library looks the engine's functions up in the running program.
    println!("cargo:rustc-link-arg-bin=abi=-rdynamic");
    let text = fs::read_to_string(&path).expect("ffi/symbols.ts");

    let mut code = String::new();
    let hash = between(&text, "export const ABI_HASH = ", ";");
    writeln!(code, "pub const ABI_HASH: f64 = {hash}.0;").unwrap();

    let statuses = between(&text, "export const STATUS = {\n", "} as const;");
    let numbers = statuses.lines().filter_map(|line| line.trim().split_once(": {")).map(|(n, _)| n);
    let numbers = numbers.collect::<Vec<_>>().join(", ");
    writeln!(code, "pub const STATUSES: &[u32] = &[{numbers}];").unwrap();
    let kinds = between(&text, "export const KIND = { ", " }");
    writeln!(code, "pub mod kind {{").unwrap();
    for (name, number) in kinds.split(", ").filter_map(|kind| kind.split_once(": ")) {
        writeln!(code, "pub const {}: u32 = {number};", name.to_uppercase()).unwrap();
    }
    writeln!(code, "}}").unwrap();
    writeln!(code, "pub mod record {{").unwrap();
    let record = between(&text, "export const RECORD = { ", " }");
    for (name, number) in record.split(", ").filter_map(|field| field.split_once(": ")) {
        writeln!(code, "pub const {}: usize = {number};", name.to_uppercase()).unwrap();
    }
    writeln!(code, "}}").unwrap();

    let symbols = between(&text, "export const symbols = {\n", "} as const");
    let symbols: Vec<(&str, Vec<&str>)> = symbols
        .lines()
        .map(|line| {
            let (name, rest) = line.trim().split_once(": ").expect("a symbol");
            let list = between(rest, "parameters: [", "]");
            let list = list.split(", ").map(|kind| kind.trim_matches('"'));
            (name, list.filter(|kind| !kind.is_empty()).collect())
        })
        .collect();
    let native = between(&text, "export interface Native {\n", "\n}\n");
    let (docs, methods): (Vec<&str>, Vec<&str>) =
        native.lines().map(str::trim).partition(|line| line.starts_with("/**"));
    assert_eq!(symbols.len(), methods.len(), "a method for each symbol");

    writeln!(code, "pub const FUNCTIONS: &[Function] = &[").unwrap();
    let mut calls = String::new();
    for (index, ((name, natives), method)) in symbols.iter().zip(&methods).enumerate() {
        let doc = docs[index];
        let parameters: Vec<(&str, &str)> =
            between(method, "(", ")").split(", ").filter_map(|one| one.split_once(": ")).collect();
        let result = method.rsplit_once("): ").expect("a result").1.trim_end_matches(';');
        let mut expected = Vec::new();
        let (mut types, mut given) = (Vec::new(), Vec::new());
        let (mut numbers, mut pointers) = (0, 0);
        for (_, role) in &parameters {
            if role.starts_with("Uint8Array") {
                expected.push("buffer");
                types.push("*mut u8");
                given.push(format!("pointers[{pointers}]"));
                pointers += 1;
            }
            expected.push("f64");
            types.push("f64");
            given.push(format!("numbers[{numbers}]"));
            numbers += 1;
        }
        assert_eq!(*natives, expected, "{name}: symbols and methods agree");
        writeln!(code, "Function {{ name: {name:?}, doc: {doc:?}, parameters: &{parameters:?}, result: {result:?} }},")
            .unwrap();
        let (types, given) = (types.join(", "), given.join(", "));
        writeln!(
            calls,
            "{index} => {{ let function = unsafe {{ library.get::<unsafe extern \"C\" fn({types}) \
             -> f64>(b\"{name}\\0\") }}.expect({name:?}); unsafe {{ function({given}) }} }}"
        )
        .unwrap();
    }
    writeln!(code, "];").unwrap();
    writeln!(
        code,
        "/// # Safety\n/// Each pointer is null or valid for the length that follows it.\n\
         pub unsafe fn call(library: &libloading::Library, index: usize, numbers: &[f64], \
         pointers: &[*mut u8]) -> f64 {{\nmatch index {{\n{calls}\n_ => unreachable!(),\n}}\n}}"
    )
    .unwrap();
    let out = Path::new(&env::var("OUT_DIR").unwrap()).join("boundary.rs");
    fs::write(out, code).unwrap();
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let (_, rest) = text.split_once(start).unwrap_or_else(|| panic!("{start:?} in symbols.ts"));
    rest.split_once(end).unwrap_or_else(|| panic!("{end:?} in symbols.ts")).0
}
