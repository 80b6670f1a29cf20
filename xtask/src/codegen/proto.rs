//! Schemas as `.proto` files.
//!
//! Protobuf wants the values of all enums in a scope to have different names, the tables need not. They do so far;
//! should that change, compiling the file fails and names both.

use std::collections::{BTreeMap, BTreeSet};

use super::schema::{Field, FieldType, Message, Schema, Scope};

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
            for value in values {
                self.line(&format!("{} = {};", value.name, value.number));
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
