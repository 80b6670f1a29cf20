//! The tables of docs/protocol as a tree of schemas, with every type name resolved.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use heck::ToSnakeCase;

/// One schema: a `.proto` file, and a Rust module.
pub(super) struct Schema {
    /// The name in the tables, and of the `.proto` file: `WAWebProtobufsE2E`.
    pub(super) name: String,
    /// The protobuf package and Rust module: `e2e`.
    pub(super) package: String,
    pub(super) root: Scope,
}

/// What one level of names holds: a schema, or the inside of a message.
#[derive(Default)]
pub(super) struct Scope {
    pub(super) messages: BTreeMap<String, Message>,
    pub(super) enums: BTreeMap<String, Vec<EnumValue>>,
}

#[derive(Default)]
pub(super) struct Message {
    pub(super) fields: Vec<Field>,
    pub(super) nested: Scope,
}

#[derive(Clone)]
pub(super) struct EnumValue {
    pub(super) number: i32,
    pub(super) name: String,
}

#[derive(Clone)]
pub(super) struct Field {
    pub(super) number: u32,
    pub(super) name: String,
    /// `optional`, `required` or `repeated`.
    pub(super) label: String,
    pub(super) kind: FieldType,
    pub(super) oneof: Option<String>,
    pub(super) packed: bool,
}

#[derive(Clone)]
pub(super) enum FieldType {
    Scalar(String),
    /// A message or enum: the schema it is in and its dotted name there.
    Named {
        schema: String,
        name: String,
        is_message: bool,
    },
    /// A message or enum that the tables name but do not describe; read as what it is on the wire.
    Missing {
        name: String,
        wire: &'static str,
    },
}

/// Reads both tables, with their header lines.
pub(super) fn read(fields: &str, enums: &str) -> Result<Vec<Schema>, SchemaError> {
    let fields = rows::<9>(fields, FIELDS_HEADER)?;
    let enums = rows::<4>(enums, ENUMS_HEADER)?;
    let names = Names::collect(&fields, &enums);
    let mut roots: BTreeMap<&str, Scope> = BTreeMap::new();

    for &[schema, name, number, value] in &enums {
        let number = number.parse().map_err(|_| SchemaError::Number { name: name.into() })?;
        let value = EnumValue { number, name: value.into() };
        let scope = roots.entry(schema).or_default();
        let (scope, own_name) = match name.rsplit_once('.') {
            Some((parent, own_name)) => (&mut scope.message(parent).nested, own_name),
            None => (scope, name),
        };
        scope.enums.entry(own_name.into()).or_default().push(value);
    }
    for &(schema, name) in &names.messages {
        roots.entry(schema).or_default().message(name);
    }
    for &[schema, message, number, name, label, type_name, kind, oneof, options] in &fields {
        let fault = || format!("{schema}.{message}.{name}");
        let field = Field {
            number: number.parse().map_err(|_| SchemaError::Number { name: fault() })?,
            name: name.into(),
            label: label.into(),
            kind: names
                .resolve(schema, type_name, kind)
                .ok_or_else(|| SchemaError::Type { field: fault(), type_name: type_name.into() })?,
            oneof: (!oneof.is_empty()).then(|| oneof.into()),
            packed: match options {
                "" => false,
                "packed=true" => true,
                _ => return Err(SchemaError::Options { field: fault(), options: options.into() }),
            },
        };
        roots.entry(schema).or_default().message(message).fields.push(field);
    }

    Ok(roots
        .into_iter()
        .map(|(name, root)| Schema { name: name.into(), package: package(name), root })
        .collect())
}

/// `WAWebProtobufsE2E` → `e2e`.
pub(super) fn package(schema: &str) -> String {
    let prefixes = ["WAWebProtobufs", "WAWebProtobuf", "WA"];
    let short = prefixes.iter().find_map(|prefix| schema.strip_prefix(prefix));
    short.unwrap_or(schema).to_snake_case()
}

impl Scope {
    /// The message of this dotted name; it and its parents are made when they are not there yet.
    fn message(&mut self, name: &str) -> &mut Message {
        match name.split_once('.') {
            Some((first, rest)) => self.messages.entry(first.into()).or_default().nested.message(rest),
            None => self.messages.entry(name.into()).or_default(),
        }
    }
}

/// Every (schema, dotted name) of the tables.
struct Names<'a> {
    messages: BTreeSet<(&'a str, &'a str)>,
    enums: BTreeSet<(&'a str, &'a str)>,
}

impl<'a> Names<'a> {
    fn collect(fields: &[[&'a str; 9]], enums: &[[&'a str; 4]]) -> Self {
        let mut messages: BTreeSet<_> = fields.iter().map(|&[schema, name, ..]| (schema, name)).collect();
        // A message without fields has no row. It shows when a field names it inside a message of its own schema.
        for &[schema, _, _, _, _, type_name, kind, _, _] in fields {
            let is_nested =
                type_name.rsplit_once('.').is_some_and(|(parent, _)| messages.contains(&(schema, parent)));
            if kind == "message" && is_nested {
                messages.insert((schema, type_name));
            }
        }
        Self { messages, enums: enums.iter().map(|&[schema, name, ..]| (schema, name)).collect() }
    }

    /// Names are whole paths below a schema, but do not say which schema: first the field's own, then the only
    /// other one that has the name, then [`PREFERRED`].
    fn resolve(&self, schema: &str, type_name: &str, kind: &str) -> Option<FieldType> {
        let (names, is_message) = match kind {
            "scalar" => return Some(FieldType::Scalar(type_name.into())),
            "message" => (&self.messages, true),
            "enum" => (&self.enums, false),
            _ => return None,
        };
        let named =
            |schema: &str| FieldType::Named { schema: schema.into(), name: type_name.into(), is_message };
        if names.contains(&(schema, type_name)) {
            return Some(named(schema));
        }
        let found: Vec<&str> =
            names.iter().filter(|(_, name)| *name == type_name).map(|(schema, _)| *schema).collect();
        match *found {
            [only] => Some(named(only)),
            [] => MISSING
                .iter()
                .find(|(name, _)| *name == type_name)
                .map(|&(name, wire)| FieldType::Missing { name: name.into(), wire }),
            _ => PREFERRED.iter().find(|preferred| found.contains(preferred)).map(|schema| named(schema)),
        }
    }
}

/// A table that cannot be read. The tables are ours, so the text is for the one who edits them.
#[derive(Debug)]
pub(super) enum SchemaError {
    Header { expected: &'static str },
    Columns { line: usize },
    Number { name: String },
    Type { field: String, type_name: String },
    Options { field: String, options: String },
}

impl fmt::Display for SchemaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header { expected } => write!(f, "the columns of a table must be: {expected}"),
            Self::Columns { line } => write!(f, "line {line} of a table has a wrong number of columns"),
            Self::Number { name } => write!(f, "{name} has no valid number"),
            Self::Type { field, type_name } => {
                write!(f, "{field}: type {type_name} is in no schema, or in several and none is preferred")
            }
            Self::Options { field, options } => write!(f, "{field}: unknown options {options}"),
        }
    }
}

impl std::error::Error for SchemaError {}

/// The rows below the header, each with exactly `N` columns.
pub(super) fn rows<'a, const N: usize>(
    table: &'a str,
    header: &'static str,
) -> Result<Vec<[&'a str; N]>, SchemaError> {
    let mut lines = table.lines();
    if !lines.next().is_some_and(|first| first.split('\t').eq(header.split(' '))) {
        return Err(SchemaError::Header { expected: header });
    }
    lines
        .enumerate()
        .map(|(index, line)| {
            let columns: Vec<&str> = line.split('\t').collect();
            columns.try_into().map_err(|_| SchemaError::Columns { line: index + 2 })
        })
        .collect()
}

pub(super) const FIELDS_HEADER: &str = "schema message number field label type kind oneof options";
pub(super) const ENUMS_HEADER: &str = "schema enum number value";

/// Which schema is meant where several have the name. `WABotMetadata` is an older copy of what is in
/// `WAWebProtobufsAICommon`, `WAWebProtobufsE2EGuest` a small cut of `WAWebProtobufsE2E`.
const PREFERRED: &[&str] = &["WAWebProtobufsAICommon", "WAWebProtobufsE2E"];

/// Types that a field names but no table describes, and how their values look on the wire. A field of such a type
/// keeps its value undecoded.
const MISSING: &[(&str, &str)] =
    &[("AIRichResponseMessageType", "int32"), ("AIRichResponseSubMessage", "bytes")];
