//! `.proto` files as Rust modules: protox compiles, prost-build writes, rustfmt formats.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use heck::{ToSnakeCase, ToUpperCamelCase};
use prost_build::{Config, Module};
use protox::file::{File, FileResolver};

use super::schema::{FieldType, Schema, Scope};

/// Module names and their texts, one module per schema.
pub(super) fn write_all(
    schemas: &[Schema],
    sources: &BTreeMap<String, String>,
    rustfmt_config: &Path,
) -> Result<BTreeMap<String, String>, Box<dyn Error>> {
    let descriptors = compile(sources)?.file_descriptor_set();
    let requests = descriptors
        .file
        .into_iter()
        .map(|file| (Module::from_protobuf_package_name(file.package()), file))
        .collect();
    let modules: BTreeMap<Module, String> = config(schemas).generate(requests)?.into_iter().collect();
    schemas
        .iter()
        .map(|schema| {
            let body = modules
                .get(&Module::from_protobuf_package_name(&schema.package))
                .ok_or_else(|| format!("{} has no types", schema.name))?;
            // The first line is prost-build's own "generated" comment.
            let body = body.split_once('\n').map_or("", |(_, body)| body);
            let text = format!("{HEADER}{body}\n{}", opaque_debug(schema));
            Ok((schema.package.clone(), rustfmt(&text, rustfmt_config)?))
        })
        .collect()
}

/// Compiles all sources, which import one another by file name.
pub(super) fn compile(sources: &BTreeMap<String, String>) -> Result<protox::Compiler, Box<dyn Error>> {
    let mut compiler = protox::Compiler::with_file_resolver(InMemory(sources.clone()));
    for name in sources.keys() {
        compiler.open_file(name).map_err(|error| format!("{name}: {error:?}"))?;
    }
    Ok(compiler)
}

struct InMemory(BTreeMap<String, String>);

impl FileResolver for InMemory {
    fn resolve_path(&self, path: &Path) -> Option<String> {
        path.to_str().map(str::to_owned)
    }

    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        let source = self.0.get(name).ok_or_else(|| protox::Error::file_not_found(name))?;
        File::from_source(name, source)
    }
}

fn config(schemas: &[Schema]) -> Config {
    let mut config = Config::new();
    // Messages hold texts and keys, so they get the Debug of `opaque_debug`; enums are given theirs back.
    config.skip_debug(["."]);
    for schema in schemas {
        for name in enum_names(&schema.root, &format!(".{}", schema.package)) {
            config.enum_attribute(name, "#[derive(Debug)]");
        }
        for (name, message) in &schema.root.messages {
            if !BOXED.contains(&(&schema.package, name)) {
                continue;
            }
            let boxed = message.fields.iter().filter(|field| {
                field.label == "optional" && matches!(field.kind, FieldType::Named { is_message: true, .. })
            });
            for field in boxed {
                config.boxed(format!(".{}.{name}.{}", schema.package, field.name));
            }
        }
    }
    config
}

/// Full protobuf names of a scope's enums.
fn enum_names(scope: &Scope, path: &str) -> Vec<String> {
    let own = scope.enums.keys().map(|name| format!("{path}.{name}"));
    let nested = scope
        .messages
        .iter()
        .flat_map(|(name, message)| enum_names(&message.nested, &format!("{path}.{name}")));
    own.chain(nested).collect()
}

/// The macro call that gives all messages and oneofs of a schema their Debug.
fn opaque_debug(schema: &Schema) -> String {
    let mut types = Vec::new();
    collect_types(&schema.root, "", &mut types);
    let mut call = String::from("opaque_debug! {");
    let mut width = LIST_WIDTH;
    for name in types {
        if width + name.len() >= LIST_WIDTH {
            call.push_str("\n   ");
            width = 0;
        }
        call.push_str(&format!(" {name},"));
        width += name.len() + 2;
    }
    call + "\n}\n"
}

/// Rust paths of messages and oneofs, as prost-build names them.
fn collect_types(scope: &Scope, path: &str, types: &mut Vec<String>) {
    for (name, message) in &scope.messages {
        types.push(format!("{path}{}", name.to_upper_camel_case()));
        let inside = format!("{path}{}::", name.to_snake_case());
        let taken: BTreeSet<String> = message
            .nested
            .messages
            .keys()
            .chain(message.nested.enums.keys())
            .map(|n| n.to_upper_camel_case())
            .collect();
        let oneofs: BTreeSet<&String> =
            message.fields.iter().filter_map(|field| field.oneof.as_ref()).collect();
        for oneof in oneofs {
            let oneof = oneof.to_upper_camel_case();
            let suffix = if taken.contains(&oneof) { "OneOf" } else { "" };
            types.push(format!("{inside}{oneof}{suffix}"));
        }
        collect_types(&message.nested, &inside, types);
    }
}

fn rustfmt(source: &str, config: &Path) -> Result<String, Box<dyn Error>> {
    let mut rustfmt = Command::new("rustfmt")
        .args(["--edition", "2024", "--config-path"])
        .arg(config)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("rustfmt cannot be started: {error}"))?;
    let mut input = rustfmt.stdin.take().ok_or("rustfmt has no standard input")?;
    let output = thread::scope(|scope| -> io::Result<_> {
        let writer = scope.spawn(move || input.write_all(source.as_bytes()));
        let output = rustfmt.wait_with_output()?;
        writer.join().map_err(|_| io::Error::other("the writer panicked"))??;
        Ok(output)
    })?;
    if !output.status.success() {
        return Err("rustfmt refused the generated code".into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

const HEADER: &str = "\
// @generated by `cargo xtask codegen` from docs/protocol/proto-*.tsv: do not edit.
#![allow(missing_docs, clippy::all, clippy::use_self, reason = \"generated; what the fields mean is in docs/protocol\")]

";

/// Messages whose optional messages are all boxed, because they have many and use few of them at a time.
const BOXED: &[(&str, &str)] = &[
    ("ai_common", "BotMetadata"),
    ("bot_metadata", "BotMetadata"),
    ("e2e", "ContextInfo"),
    ("e2e", "Message"),
    ("e2e", "MessageContextInfo"),
    ("e2e", "ProtocolMessage"),
    ("sync_action", "SyncActionValue"),
    ("web", "WebMessageInfo"),
];

/// How wide the list of types in the macro call may get.
const LIST_WIDTH: usize = 100;
