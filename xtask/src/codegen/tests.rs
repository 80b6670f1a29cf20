//! The generated schemas, as a compiler understands them, against the tables they come from.

use std::collections::BTreeSet;
use std::fs;

use protox::prost_reflect::{Cardinality, DescriptorPool, EnumDescriptor, Kind, MessageDescriptor};

use super::schema::{self, ENUMS_HEADER, FIELDS_HEADER};
use super::{load, rust};
use crate::repository;

#[test]
fn every_field_of_the_tables_is_in_the_schemas_and_no_other() {
    let table = table("proto-fields.tsv");
    let expected: BTreeSet<String> = schema::rows::<9>(&table, FIELDS_HEADER)
        .expect("a valid table")
        .iter()
        .map(|&[schema, message, number, name, label, type_name, kind, oneof, options]| {
            let (kind, type_name) = match type_name {
                "AIRichResponseMessageType" => ("scalar", "int32"), // no table describes these two
                "AIRichResponseSubMessage" => ("scalar", "bytes"),
                _ => (kind, type_name),
            };
            [schema, message, number, name, label, type_name, kind, oneof, options].join(" ")
        })
        .collect();
    let found: BTreeSet<String> =
        pool().all_messages().flat_map(|message| describe_fields(&message)).collect();
    assert_eq!(expected.len(), table.lines().count() - 1, "no two rows are the same");
    assert_same(&expected, &found);
}

#[test]
fn every_enum_value_of_the_tables_is_in_the_schemas_and_no_other() {
    let table = table("proto-enums.tsv");
    let expected: BTreeSet<String> = schema::rows::<4>(&table, ENUMS_HEADER)
        .expect("a valid table")
        .iter()
        .map(|columns| columns.join(" "))
        .collect();
    let found: BTreeSet<String> = pool().all_enums().flat_map(|values| describe_values(&values)).collect();
    assert_eq!(expected.len(), table.lines().count() - 1, "no two rows are the same");
    assert_same(&expected, &found);
}

#[test]
fn a_type_of_several_schemas_is_the_preferred_one() {
    let pool = pool();
    let cases = [
        ("e2e.MessageContextInfo", "botMetadata", "ai_common.BotMetadata"),
        ("web.WebMessageInfo", "message", "e2e.Message"),
        ("e2e.Message", "protocolMessage", "e2e.ProtocolMessage"),
        ("e2e_guest.Message.ContextInfo", "quotedMessage", "e2e_guest.Message"),
    ];
    for (message, field, expected) in cases {
        let message = pool.get_message_by_name(message).expect(message);
        let kind = message.get_field_by_name(field).expect(field).kind();
        assert_eq!(kind.as_message().map(MessageDescriptor::full_name), Some(expected), "{field}");
    }
}

#[test]
fn a_table_that_says_too_little_is_refused_with_its_place() {
    let fields = "schema\tmessage\tnumber\tfield\tlabel\ttype\tkind\toneof\toptions\n\
                  WAWeb\tKey\t1\towner\toptional\tOwner\tmessage\t\t\n";
    let error = schema::read(fields, "schema\tenum\tnumber\tvalue\n").err().expect("no Owner anywhere");
    assert!(error.to_string().starts_with("WAWeb.Key.owner: type Owner"), "{error}");
}

#[test]
fn packages_are_the_short_names_of_schemas() {
    let cases = [
        ("WAAdv", "adv"),
        ("WAWebProtobufsWa6", "wa6"),
        ("WAWebProtobufsE2E", "e2e"),
        ("WAWebProtobufsE2EGuest", "e2e_guest"),
        ("WAWebProtobufSyncAction", "sync_action"),
        ("WAWebProtobufsAICommon", "ai_common"),
    ];
    for (schema, package) in cases {
        assert_eq!(schema::package(schema), package);
    }
}

#[test]
fn what_is_checked_in_is_up_to_date() {
    super::check(&repository()).expect("up to date");
}

fn table(name: &str) -> String {
    fs::read_to_string(repository().join("docs/protocol").join(name)).expect(name)
}

/// The compiled schemas.
fn pool() -> DescriptorPool {
    let schemas = load(&repository()).expect("valid tables");
    let compiled = rust::compile(&super::proto::write_all(&schemas)).expect("valid schemas");
    // Not `compiled.descriptor_pool()`: that one was made before options were read, and knows no packed field.
    DescriptorPool::from_file_descriptor_set(compiled.file_descriptor_set()).expect("valid descriptors")
}

/// A message's fields as rows of the table.
fn describe_fields(message: &MessageDescriptor) -> Vec<String> {
    let schema = schema_name(message.parent_file().name());
    let fields = message.fields().map(|field| {
        let (type_name, kind) = match field.kind() {
            Kind::Message(other) => (path(other.full_name(), other.package_name()), "message"),
            Kind::Enum(other) => (path(other.full_name(), other.package_name()), "enum"),
            scalar => (format!("{scalar:?}"), "scalar"),
        };
        let label = match field.cardinality() {
            Cardinality::Optional => "optional",
            Cardinality::Required => "required",
            Cardinality::Repeated => "repeated",
        };
        let oneof = field.containing_oneof().map(|oneof| oneof.name().to_owned()).unwrap_or_default();
        let options = if field.is_packed() { "packed=true" } else { "" };
        let message = path(message.full_name(), message.package_name());
        let (number, name) = (field.number().to_string(), field.name());
        [&schema, &message, &number, name, label, &type_name, kind, &oneof, options].join(" ")
    });
    fields.collect()
}

/// An enum's values as rows of the table.
fn describe_values(values: &EnumDescriptor) -> Vec<String> {
    let schema = schema_name(values.parent_file().name());
    let path = path(values.full_name(), values.package_name());
    values.values().map(|value| format!("{schema} {path} {} {}", value.number(), value.name())).collect()
}

fn path(full_name: &str, package: &str) -> String {
    full_name.trim_start_matches(package).trim_start_matches('.').to_owned()
}

fn schema_name(file: &str) -> String {
    file.trim_end_matches(".proto").to_owned()
}

fn assert_same(expected: &BTreeSet<String>, found: &BTreeSet<String>) {
    let missing: Vec<_> = expected.difference(found).collect();
    let surplus: Vec<_> = found.difference(expected).collect();
    assert!(missing.is_empty() && surplus.is_empty(), "missing: {missing:#?}\nsurplus: {surplus:#?}");
}
