//! Schemas as `.proto` files.

use std::collections::{BTreeMap, BTreeSet};

use heck::ToShoutySnakeCase;

use super::schema::{EnumValue, Field, FieldType, Message, Schema, Scope};

/// File names and their texts, one file per schema.
pub(super) fn write_all(schemas: &[Schema]) -> BTreeMap<String, String> {
    schemas.iter().map(|schema| (file_name(&schema.name), write(schema))).collect()
}

fn write(schema: &Schema) -> String {
    let mut imports = BTreeSet::new();
    collect_imports(&schema.root, &schema.name, &mut imports);
    let mut out = Writer::default();
    out.line("// Written by `cargo xtask codegen` from docs/protocol/proto-*.tsv: do not edit.");
    out.line("syntax = \"proto2\";");
    out.line("");
    out.line(&format!("package {};", schema.package));
    if !imports.is_empty() {
        out.line("");
    }
    for import in imports {
        out.line(&format!("import \"{}\";", file_name(import)));
    }
    out.scope(&schema.root);
    out.text
}

/// Values of an enum as they are called in the `.proto` file.
///
/// Protobuf wants value names to be unique among *all* enums of a scope, the tables do not. Where names meet, every
/// value of the enum gets the enum's name in front; prost takes it off again.
pub(super) fn value_names<'a>(scope: &'a Scope, name: &str, values: &'a [EnumValue]) -> Vec<(i32, String)> {
    let others: BTreeSet<&str> = scope
        .enums
        .iter()
        .filter(|(other, _)| *other != name)
        .flat_map(|(other, values)| values.iter().map(|value| value.name.as_str()).chain([other.as_str()]))
        .chain(scope.messages.keys().map(String::as_str))
        .collect();
    let clash = values.iter().any(|value| others.contains(value.name.as_str()));
    let prefix = if clash { format!("{}_", name.to_shouty_snake_case()) } else { String::new() };
    values.iter().map(|value| (value.number, format!("{prefix}{}", value.name))).collect()
}

fn collect_imports<'a>(scope: &'a Scope, own: &str, imports: &mut BTreeSet<&'a str>) {
    for message in scope.messages.values() {
        for field in &message.fields {
            if let FieldType::Named { schema, .. } = &field.kind
                && schema != own
            {
                imports.insert(schema);
            }
        }
        collect_imports(&message.nested, own, imports);
    }
}

fn file_name(schema: &str) -> String {
    format!("{schema}.proto")
}

#[derive(Default)]
struct Writer {
    text: String,
    depth: usize,
}

impl Writer {
    fn scope(&mut self, scope: &Scope) {
        for (name, values) in &scope.enums {
            self.blank();
            self.line(&format!("enum {name} {{"));
            self.depth += 1;
            for (number, value) in value_names(scope, name, values) {
                self.line(&format!("{value} = {number};"));
            }
            self.depth -= 1;
            self.line("}");
        }
        for (name, message) in &scope.messages {
            self.blank();
            self.message(name, message);
        }
    }

    fn message(&mut self, name: &str, message: &Message) {
        self.line(&format!("message {name} {{"));
        self.depth += 1;
        let mut written = BTreeSet::new();
        for field in &message.fields {
            match &field.oneof {
                None => self.field(field, &format!("{} ", field.label)),
                Some(oneof) if written.insert(oneof) => {
                    self.line(&format!("oneof {oneof} {{"));
                    self.depth += 1;
                    for field in message.fields.iter().filter(|field| field.oneof.as_ref() == Some(oneof)) {
                        self.field(field, "");
                    }
                    self.depth -= 1;
                    self.line("}");
                }
                Some(_) => {} // written with the first field of its oneof
            }
        }
        self.scope(&message.nested);
        self.depth -= 1;
        self.line("}");
    }

    fn field(&mut self, field: &Field, label: &str) {
        let Field { number, name, .. } = field;
        let options = if field.packed { " [packed = true]" } else { "" };
        let (kind, comment) = match &field.kind {
            FieldType::Scalar(kind) => (kind.clone(), String::new()),
            FieldType::Named { schema, name, .. } => {
                (format!(".{}.{name}", super::schema::package(schema)), String::new())
            }
            FieldType::Missing { name, wire } => {
                ((*wire).to_owned(), format!(" // a {name}, which no table describes"))
            }
        };
        self.line(&format!("{label}{kind} {name} = {number}{options};{comment}"));
    }

    /// An empty line, except at the start of a block.
    fn blank(&mut self) {
        if !self.text.ends_with("{\n") {
            self.text.push('\n');
        }
    }

    fn line(&mut self, line: &str) {
        if !line.is_empty() {
            self.text.extend(std::iter::repeat_n("  ", self.depth));
        }
        self.text.push_str(line);
        self.text.push('\n');
    }
}
