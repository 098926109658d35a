//! The topology file: who depends on whom and what runs where, as somebody says who knows.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use serde::Deserialize;
use serde_saphyr::Spanned;
use theriac_contract::{EdgeKind, Entity, GivenEdge, GivenTopology, NodeKind};

use crate::{config::parse_yaml, output::Wrong};

/// A service.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ServiceText {
    /// Its name.
    name: Option<Spanned<String>>,
    /// Services that it calls.
    calls: Vec<Spanned<String>>,
    /// Databases that it asks.
    queries: Vec<Spanned<String>>,
    /// Queues that it puts messages into.
    publishes: Vec<Spanned<String>>,
    /// Queues that it takes messages from.
    consumes: Vec<Spanned<String>>,
    /// Its instances.
    instances: Vec<Spanned<String>>,
    /// Host that it (or each of its instances) runs on.
    host: Option<Spanned<String>>,
    /// Other names that callers have for it: `cart:8080`, a load balancer.
    aliases: Vec<Spanned<String>>,
    /// Whether those who call it work without it, if worse: then its circuit may be opened.
    optional: bool,
}

/// An edge with all that can be said of it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EdgeText {
    /// Who depends, or runs.
    from: Spanned<String>,
    /// On whom, or where.
    to: Spanned<String>,
    /// `calls`, `queries`, `publishes`, `consumes`, `runs_on`, `part_of`.
    kind: Spanned<EdgeKind>,
    /// Calls a second.
    #[serde(default)]
    per_second: Option<Spanned<f64>>,
}

/// The file; YAML, and so JSON as well.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct FileText {
    services: Vec<ServiceText>,
    /// Names of databases.
    databases: Vec<Spanned<String>>,
    /// Names of queues and topics of messages.
    queues: Vec<Spanned<String>>,
    /// Names of hosts.
    hosts: Vec<Spanned<String>>,
    edges: Vec<EdgeText>,
}

/// What has been read, and what is wrong with it.
#[derive(Default)]
struct Reader<'a> {
    origin: &'a str,
    given: GivenTopology,
    wrong: Vec<String>,
    /// Edges, to tell those that come twice.
    edges: BTreeSet<(Entity, Entity, EdgeKind)>,
    /// Lines of names.
    lines: BTreeMap<Entity, u64>,
}

/// Name of a queue as an entity, as spans have it.
fn queue(name: &str) -> String {
    if name.starts_with("topic:") { name.to_owned() } else { format!("topic:{}", name.replace('/', ".")) }
}

impl Reader<'_> {
    fn complain<T>(&mut self, at: &Spanned<T>, text: &str) {
        let place = at.referenced;
        self.wrong.push(format!("{}:{}:{}: {text}", self.origin, place.line(), place.column()));
    }

    /// A name as an entity; a complaint if it is none.
    fn name(&mut self, text: &Spanned<String>, what: &str) -> Option<Entity> {
        let name = text.value.trim();
        if name.is_empty() {
            self.complain(text, &format!("this {what} has no name; write one, or take the line out"));
            return None;
        }
        if name.contains('/') && what != "end of an edge" && what != "instance" {
            let mend = "a `/` parts a service from its instance, as in `cart/cart-1`; list instances under `instances`";
            self.complain(text, &format!("`{name}` is no name of a {what}: {mend}"));
            return None;
        }
        Some(Entity(name.to_owned()))
    }

    /// A node that the file names with what it is; a complaint if it is there already.
    fn node(&mut self, text: &Spanned<String>, entity: Entity, kind: NodeKind) {
        let line = text.referenced.line();
        if let Some(first) = self.lines.insert(entity.clone(), line) {
            let text_of = format!("`{}` is there already, at line {first}; join the two", text.value);
            self.complain(text, &text_of);
        }
        self.given.nodes.insert(entity, kind);
    }

    fn edge(
        &mut self,
        at: &Spanned<String>,
        from: &Entity,
        to: Entity,
        kind: EdgeKind,
        per_second: Option<f64>,
    ) {
        if *from == to {
            self.complain(at, &format!("`{from}` {} itself; take the line out", kind.verb()));
        } else if self.edges.insert((from.clone(), to.clone(), kind)) {
            self.given.edges.push(GivenEdge { from: from.clone(), to, kind, per_second });
        } else {
            self.complain(at, &format!("`{from} {} {to}` is there already; take one out", kind.verb()));
        }
    }

    fn service(&mut self, service: &ServiceText) {
        let Some(named) = &service.name else {
            let first =
                [&service.calls, &service.queries, &service.publishes, &service.consumes, &service.instances];
            match first.into_iter().find_map(|list| list.first()) {
                Some(at) => self.complain(at, "the service of this line has no `name`"),
                None => self.wrong.push(format!("{}: a service has no `name`", self.origin)),
            }
            return;
        };
        let Some(entity) = self.name(named, "service") else { return };
        self.node(named, entity.clone(), NodeKind::Service);
        if service.optional {
            self.given.optional.insert(entity.clone());
        }
        let depends = [
            (&service.calls, EdgeKind::Calls, "service"),
            (&service.queries, EdgeKind::Queries, "database"),
            (&service.publishes, EdgeKind::Publishes, "queue"),
            (&service.consumes, EdgeKind::Consumes, "queue"),
        ];
        for (list, kind, what) in depends {
            for text in list {
                let Some(mut to) = self.name(text, what) else { continue };
                if what == "queue" {
                    to = Entity(queue(to.as_str()));
                }
                self.edge(text, &entity, to, kind, None);
            }
        }
        let mut guests = Vec::new();
        for text in &service.instances {
            let Some(name) = self.name(text, "instance") else { continue };
            let short = name.as_str().strip_prefix(&format!("{entity}/")).unwrap_or(name.as_str());
            let instance = Entity::instance(entity.as_str(), short);
            self.node(text, instance.clone(), NodeKind::Instance);
            guests.push(instance);
        }
        if let Some(text) = &service.host
            && let Some(host) = self.name(text, "host")
        {
            let host = Entity::host(host.as_str().trim_start_matches("host:"));
            let guests = if guests.is_empty() { vec![entity.clone()] } else { guests };
            for guest in guests {
                self.edge(text, &guest, host.clone(), EdgeKind::RunsOn, None);
            }
        }
        for text in &service.aliases {
            let Some(name) = self.name(text, "other name of a service") else { continue };
            if name == entity {
                self.complain(
                    text,
                    &format!("`{name}` is the name of the service itself; take the line out"),
                );
            } else if let Some(other) = self.given.aliases.insert(name.clone(), entity.clone()) {
                self.complain(
                    text,
                    &format!("`{name}` is another name of `{other}` already; it can be that of one only"),
                );
            }
        }
    }

    fn file(&mut self, file: &FileText) {
        for service in &file.services {
            self.service(service);
        }
        for text in &file.databases {
            if let Some(name) = self.name(text, "database") {
                self.node(text, name, NodeKind::Database);
            }
        }
        for text in &file.queues {
            if let Some(name) = self.name(text, "queue") {
                self.node(text, Entity(queue(name.as_str())), NodeKind::Queue);
            }
        }
        for text in &file.hosts {
            if let Some(name) = self.name(text, "host") {
                self.node(text, Entity::host(name.as_str().trim_start_matches("host:")), NodeKind::Host);
            }
        }
        for edge in &file.edges {
            let ends = (self.name(&edge.from, "end of an edge"), self.name(&edge.to, "end of an edge"));
            let (Some(from), Some(mut to)) = ends else { continue };
            let kind = edge.kind.value;
            match kind {
                EdgeKind::StandsFor => {
                    let mend = "a name that stands for another goes under `aliases` of the service";
                    self.complain(&edge.kind, &format!("`stands_for` is no edge: {mend}"));
                    continue;
                }
                EdgeKind::Publishes | EdgeKind::Consumes => to = Entity(queue(to.as_str())),
                EdgeKind::RunsOn if !to.as_str().contains(':') => to = Entity::host(to.as_str()),
                _ => {}
            }
            let rate = edge.per_second.as_ref();
            if let Some(rate) = rate.filter(|rate| !rate.value.is_finite() || rate.value < 0.0) {
                self.complain(
                    rate,
                    &format!("`per_second` is {}; it is a number of calls, 0 or more", rate.value),
                );
                continue;
            }
            self.edge(&edge.to, &from, to, kind, rate.map(|rate| rate.value));
        }
        // What is a service of its own has a name of its own.
        for (name, of) in &self.given.aliases.clone() {
            if let Some(line) = self.lines.get(name) {
                let (origin, text) =
                    (self.origin, format!("`{name}` is a service of its own, and another name of `{of}`"));
                self.wrong.push(format!("{origin}:{line}:1: {text}; take one of them out"));
            }
        }
    }
}

/// Reads a file; `origin` is named in errors: a line for each thing that is wrong.
pub(crate) fn parse(origin: &str, text: &str) -> Result<GivenTopology> {
    let file: FileText = if text.trim().is_empty() { FileText::default() } else { parse_yaml(origin, text)? };
    let mut reader = Reader { origin, ..Reader::default() };
    reader.file(&file);
    if reader.wrong.is_empty() { Ok(reader.given) } else { Err(Wrong(reader.wrong.join("\n")).into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Vec<String> {
        let given = parse("shop.yaml", text).expect("a topology");
        let edges = given.edges.iter().map(|edge| format!("{} {} {}", edge.from, edge.kind.verb(), edge.to));
        let names = given.aliases.iter().map(|(name, of)| format!("{name} is {of}"));
        edges.chain(names).collect()
    }

    #[test]
    fn a_file_says_who_depends_on_whom() {
        let yaml = "services:\n  - name: cart\n    calls: [catalog]\n    queries: [orders-db]\n    publishes: [orders]\n    \
                    instances: [cart-1, cart/cart-2]\n    host: node-1\n    aliases: [\"cart:8080\"]\n  - name: mail\n    \
                    consumes: [orders]\nedges:\n  - {from: cart, to: mail, kind: calls, per_second: 2.5}\n";
        let expected = [
            "cart calls catalog",
            "cart queries orders-db",
            "cart publishes to topic:orders",
            "cart/cart-1 runs on host:node-1",
            "cart/cart-2 runs on host:node-1",
            "mail consumes from topic:orders",
            "cart calls mail",
            "cart:8080 is cart",
        ];
        assert_eq!(said(yaml), expected);
        let optional = "services:\n  - name: ads\n    optional: true\n  - name: cart\n";
        let given = parse("shop.yaml", optional).expect("a topology");
        assert_eq!(given.optional, BTreeSet::from([Entity("ads".to_owned())]));
        let json = r#"{"services": [{"name": "cart", "calls": ["catalog"]}]}"#;
        assert_eq!(said(json), ["cart calls catalog"]);
        assert_eq!(said(""), [""; 0]);
    }

    #[test]
    fn errors_name_the_place_and_the_mend() {
        for (text, expected) in [
            ("services:\n  - calls: [a]\n", "shop.yaml:2:13: the service of this line has no `name`"),
            (
                "services:\n  - name: a\n    calls: [a]\n",
                "shop.yaml:3:13: `a` calls itself; take the line out",
            ),
            (
                "services:\n  - name: a\n    calls: [b, b]\n",
                "shop.yaml:3:16: `a calls b` is there already; take one out",
            ),
            (
                "services:\n  - name: a\n  - name: a\n",
                "shop.yaml:3:11: `a` is there already, at line 2; join the two",
            ),
            (
                "services:\n  - name: a\n    calls: [\"\"]\n",
                "shop.yaml:3:13: this service has no name; write one, or take the line out",
            ),
            (
                "services:\n  - name: a\n    aliases: [a]\n",
                "shop.yaml:3:15: `a` is the name of the service itself; take the line out",
            ),
            (
                "services:\n  - name: a\n    aliases: [b]\n  - name: b\n",
                "shop.yaml:4:1: `b` is a service of its own, and another name of `a`; take one of them out",
            ),
            (
                "edges:\n  - {from: a, to: b, kind: calls, per_second: -1}\n",
                "shop.yaml:2:47: `per_second` is -1; it is a number of calls, 0 or more",
            ),
        ] {
            let error = parse("shop.yaml", text).expect_err(text).to_string();
            assert_eq!(error, expected);
        }
        let unknown =
            parse("shop.yaml", "services:\n  - name: a\n    cals: [b]\n").expect_err("a typo").to_string();
        assert!(unknown.starts_with("shop.yaml:3:5: ") && unknown.contains("calls"), "{unknown}");
        let kind =
            parse("shop.yaml", "edges:\n  - {from: a, to: b, kind: call}\n").expect_err("a typo").to_string();
        assert!(kind.starts_with("shop.yaml:2:") && kind.contains("calls"), "{kind}");
    }
}
