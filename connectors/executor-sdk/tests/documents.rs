//! The documents of the protocol say what the types say.

use std::{fs, path::Path};

use serde_json::Value;
use theriac_contract::{
    execution::{COMMANDS, EXECUTIONS, EXECUTOR_HEADER, EXPIRES_HEADER},
    schema,
};

fn text(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn schemas_are_those_of_the_types() {
    for (name, schema) in schema::payloads() {
        if ["command", "execution"].contains(&name) {
            let stored: Value = serde_json::from_str(&text(&format!("schemas/{name}.json"))).unwrap();
            let mend =
                format!("theriac schema {name} > connectors/executor-sdk/schemas/{name}.json mends this");
            assert_eq!(&stored, schema.as_value(), "{mend}");
        }
    }
}

#[test]
fn the_description_names_what_the_code_names() {
    let document: Value = serde_saphyr::from_str(&text("asyncapi.yaml")).unwrap();
    let at = |pointer: &str| document.pointer(pointer).unwrap_or_else(|| panic!("there is no {pointer}"));
    assert_eq!(at("/asyncapi"), "3.0.0");
    assert_eq!(at("/channels/commands/address"), &format!("{{prefix}}{COMMANDS}"));
    assert_eq!(at("/channels/executions/address"), &format!("{{prefix}}{EXECUTIONS}"));
    let headers = "/components/messages/command/headers/properties";
    for header in [EXECUTOR_HEADER, EXPIRES_HEADER, "ce_id"] {
        at(&format!("{headers}/{header}"));
    }
    let default = theriac_executor::Settings::new("shop", "").prefix;
    assert_eq!(at("/components/parameters/prefix/default"), &default);
    let mut references = Vec::new();
    collect(&document, &mut references);
    assert!(references.len() > 5, "{references:?}");
    for reference in references {
        match reference.strip_prefix('#') {
            Some(pointer) => _ = at(pointer),
            None => _ = text(&reference),
        }
    }
}

fn collect(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            into.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
            fields.values().for_each(|value| collect(value, into));
        }
        Value::Array(items) => items.iter().for_each(|value| collect(value, into)),
        _ => {}
    }
}
