//! Renders `ffi/symbols.ts` from the declaration, and beside it `ffi/messages.ts`, which holds
//! types only, so that no program loads them. Only in tests: a stale file is rewritten and the
//! test fails, so that nobody commits one by accident; where `CI` is set it is not rewritten.

use std::fmt::Write as _;
use std::mem::offset_of;
use std::path::Path;

use dipper_core::Status;
use ts_rs::{Config, TS};

use crate::abi::{FUNCTIONS, current_hash};
use crate::declaration::{Function, Role};
use crate::messages;
use crate::queue::{Kind, Record};

/// `buffer_new` as TypeScript writes it.
fn camel(name: &str) -> String {
    let mut words = name.trim_start_matches("dipper_").split('_');
    let mut camel = words.next().unwrap_or_default().to_owned();
    for word in words {
        let (first, rest) = word.split_at(1);
        camel.push_str(&first.to_uppercase());
        camel.push_str(rest);
    }
    camel
}

fn typescript(role: Role) -> String {
    match role {
        Role::Number | Role::Address => "number".to_owned(),
        Role::Bytes | Role::Room | Role::Memory => "Uint8Array<ArrayBuffer>".to_owned(),
        handle => format!("{handle:?}"),
    }
}

fn native(role: Role) -> &'static [&'static str] {
    match role {
        Role::Bytes | Role::Room | Role::Memory => &["buffer", "f64"],
        _ => &["f64"],
    }
}

fn list(items: impl IntoIterator<Item = String>) -> String {
    items.into_iter().collect::<Vec<_>>().join(", ")
}

fn symbol(function: &Function) -> String {
    let parameters = function.parameters.iter().flat_map(|(_, role)| native(*role));
    let parameters = list(parameters.map(|native| format!("\"{native}\"")));
    format!("  {}: {{ parameters: [{parameters}], result: \"f64\" }},\n", function.name)
}

fn method(function: &Function) -> String {
    let parameters = function.parameters.iter();
    let parameters =
        list(parameters.map(|(name, role)| format!("{}: {}", camel(name), typescript(*role))));
    let result = typescript(function.result);
    format!("  /** {} */\n  {}({parameters}): {result};\n", function.doc, camel(function.name))
}

fn binding(function: &Function) -> String {
    let names = list(function.parameters.iter().map(|(name, _)| camel(name)));
    let given = list(function.parameters.iter().map(|(name, role)| {
        let name = camel(name);
        match role {
            Role::Bytes | Role::Room | Role::Memory => format!("{name}, {name}.byteLength"),
            _ => name,
        }
    }));
    let cast = match typescript(function.result).as_str() {
        "number" => String::new(),
        handle => format!(" as {handle}"),
    };
    format!(
        "    {}: ({names}) => checked(symbols.{}({given})){cast},\n",
        camel(function.name),
        function.name
    )
}

fn messages_of(config: &Config) -> String {
    let declarations = [
        messages::CredentialsMessage::decl(config),
        messages::RoleMessage::decl(config),
        messages::GivenCredentialsMessage::decl(config),
        messages::CaBundleMessage::decl(config),
        messages::SurroundingsMessage::decl(config),
        messages::AnswerMessage::<ts_rs::Dummy>::decl(config),
        messages::TransportMessage::decl(config),
        messages::ChecksumsMessage::decl(config),
        messages::LogLevelMessage::decl(config),
        messages::LoggerMessage::decl(config),
        messages::LogRecordMessage::decl(config),
        messages::ClientRequest::decl(config),
        messages::ObjectMessage::decl(config),
        messages::SourceMessage::decl(config),
        messages::SumMessage::decl(config),
        messages::SpanMessage::decl(config),
        messages::LimitMessage::decl(config),
        messages::FeedMessage::decl(config),
        messages::CutMessage::decl(config),
        messages::LengthMessage::decl(config),
        messages::ContentMessage::decl(config),
        messages::CompressionMessage::decl(config),
        messages::OpenedLinesMessage::decl(config),
        messages::BatchMessage::decl(config),
        messages::TableFileMessage::decl(config),
        messages::DialectMessage::decl(config),
        messages::TableMessage::decl(config),
        messages::ColumnsMessage::decl(config),
        messages::TableFormatMessage::decl(config),
        messages::EncodingMessage::decl(config),
        messages::PresignMethodMessage::decl(config),
        messages::ResponseHeadersMessage::decl(config),
        messages::FileToWriteMessage::decl(config),
        messages::FileToSendMessage::decl(config),
        messages::FileToCompareMessage::decl(config),
        messages::TreeKindMessage::decl(config),
        messages::TreeEntryMessage::decl(config),
        messages::ScannedMessage::decl(config),
        messages::Request::decl(config),
        messages::Submission::decl(config),
        messages::StatMessage::decl(config),
        messages::MetricsMessage::decl(config),
        messages::ReadMessage::decl(config),
        messages::WriteMessage::decl(config),
        messages::EncryptionMessage::decl(config),
        messages::WriteChecksumMessage::decl(config),
        messages::WrittenMessage::decl(config),
        messages::ListableMessage::decl(config),
        messages::PlaceMessage::decl(config),
        messages::OwnerMessage::decl(config),
        messages::PageMessage::decl(config),
        messages::BucketMessage::decl(config),
        messages::CallerMessage::decl(config),
        messages::VerdictMessage::decl(config),
        messages::DiagnosisMessage::decl(config),
        messages::RegionMessage::decl(config),
        messages::NameMessage::decl(config),
        messages::DeletedMessage::decl(config),
        messages::FailureMessage::decl(config),
        messages::LocalS3Message::decl(config),
        messages::Question::decl(config),
        messages::ErrorDetails::decl(config),
    ];
    declarations.iter().map(|declaration| format!("export {declaration}\n\n")).collect()
}

const HEAD: &str = "// Rendered from native/capi/src/abi.rs by its test. Do not edit: change the declaration.\n\
     // deno-fmt-ignore-file\n\
     // deno-lint-ignore-file\n\n";

fn render_symbols() -> String {
    let mut text = String::from(HEAD);
    text.push_str("export type * from \"./messages.ts\";\n\n");
    for handle in Role::HANDLES {
        let _ = writeln!(
            text,
            "export type {handle:?} = number & {{ readonly __handle: \"{handle:?}\" }};"
        );
    }
    let _ = writeln!(text, "\n/** Changes whenever the boundary does. */");
    let _ = writeln!(text, "export const ABI_HASH = {};\n", current_hash());

    text.push_str("/** Every exported function, as `Deno.dlopen` wants it. */\n");
    text.push_str("export const symbols = {\n");
    FUNCTIONS.iter().for_each(|function| text.push_str(&symbol(function)));
    text.push_str("} as const satisfies Deno.ForeignLibraryInterface;\n\n");

    text.push_str(
        "/** The boundary, with checked results: an error is thrown, never returned. */\n",
    );
    text.push_str("export interface Native {\n");
    FUNCTIONS.iter().for_each(|function| text.push_str(&method(function)));
    text.push_str("}\n\n");

    text.push_str(
        "/** Binds the functions of a loaded library. `checked` throws for a negative answer. */\n\
         export function bind(\n  \
         symbols: Deno.DynamicLibrary<typeof import(\"./symbols.ts\").symbols>[\"symbols\"],\n  \
         checked: (answer: number) => number,\n): Native {\n  return {\n",
    );
    FUNCTIONS.iter().for_each(|function| text.push_str(&binding(function)));
    text.push_str("  };\n}\n\n");

    let _ = writeln!(
        text,
        "/** The fixed part of a completion record: its size and offsets in bytes. */"
    );
    let _ = writeln!(
        text,
        "export const RECORD = {{ size: {}, operation: {}, value: {}, extent: {}, kind: {}, status: {}, payload: {}, index: {} }} as const;\n",
        Record::SIZE,
        offset_of!(Record, operation),
        offset_of!(Record, value),
        offset_of!(Record, extent),
        offset_of!(Record, kind),
        offset_of!(Record, status),
        offset_of!(Record, payload),
        offset_of!(Record, index),
    );
    let kinds = [
        Kind::Done,
        Kind::Failed,
        Kind::Cancelled,
        Kind::Progress,
        Kind::Ask,
        Kind::Item,
        Kind::Log,
        Kind::Stop,
    ];
    let kinds = list(kinds.map(|kind| format!("{kind:?}: {}", kind as u32)));
    let _ = writeln!(
        text,
        "/** What a record tells. */\nexport const KIND = {{ {kinds} }} as const;\n"
    );

    text.push_str("/** Every status: its code, its class and whether trying again may help. */\n");
    text.push_str("export const STATUS = {\n");
    for status in Status::ALL {
        let _ = writeln!(
            text,
            "  /** {} */\n  {}: {{ code: \"{}\", className: \"{}\", retryable: {} }},",
            status.meaning(),
            *status as u32,
            status.code(),
            status.class().0,
            status.retryable(),
        );
    }
    text.push_str("} as const;\n");
    text
}

/// What goes down and comes up as JSON, and the codes of errors: types, and nothing to load.
fn render_messages() -> String {
    let mut text = String::from(HEAD);
    let codes = Status::ALL.iter().map(|status| format!("  | \"{}\"", status.code()));
    let _ = writeln!(
        text,
        "/** Why an operation failed: one of a fixed set of codes. */\nexport type ErrorCode =\n{};\n",
        codes.collect::<Vec<_>>().join("\n")
    );
    text.push_str(messages_of(&Config::new().with_large_int("number")).trim_end());
    text.push('\n');
    text
}

#[test]
fn rendered_files_are_up_to_date() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ffi");
    let rendered = [("symbols.ts", render_symbols()), ("messages.ts", render_messages())];
    let is_stale = |(name, text): &(&str, String)| {
        std::fs::read_to_string(folder.join(name)).unwrap_or_default() != *text
    };
    let stale: Vec<_> = rendered.into_iter().filter(is_stale).collect();
    if stale.is_empty() {
        return;
    }
    let names = list(stale.iter().map(|(name, _)| format!("ffi/{name}")));
    if std::env::var_os("CI").is_none() {
        std::fs::create_dir_all(&folder).unwrap();
        for (name, text) in stale {
            std::fs::write(folder.join(name), text).unwrap();
        }
        panic!("{names} was stale and has been rewritten; commit it");
    }
    panic!("{names} is stale: run `cargo test --release -p dipper-capi` and commit it");
}

#[test]
fn names_are_camel_cased() {
    assert_eq!(camel("dipper_buffer_new"), "bufferNew");
    assert_eq!(camel("dipper_drain"), "drain");
}
