//! Brokers that ask who one is: by certificate, by password, by token. Who is not let in, or may
//! not do something, is told why and what to do, and never a secret.

use std::{collections::BTreeMap, fmt::Write as _, fs, process::Output, sync::OnceLock};

use theriac_connectors::kafka::{KafkaTopics, Settings};
use theriac_contract::{Topic, Topics};
use theriac_tests::{
    broker::{Broker, Message},
    program::command,
};

const INPUT: &str = "secured_points";
/// Where the program finds passwords: a variable, and a file.
const VARIABLE: &str = "THERIAC_TEST_KAFKA_PASSWORD";

fn broker() -> &'static Broker {
    static BROKER: OnceLock<Broker> = OnceLock::new();
    BROKER.get_or_init(|| {
        let broker = Broker::start_secure();
        broker.create(&[INPUT], 1);
        let payload =
            br#"{"timestamp":"2026-01-01T00:00:00Z","service":"shop","name":"latency","value":1.5}"#;
        broker.produce(&[Message { topic: INPUT, payload: payload.to_vec(), ..Message::default() }]);
        broker
    })
}

/// A client's way in.
struct Client {
    address: String,
    properties: BTreeMap<&'static str, String>,
    password: Option<String>,
}

impl Client {
    fn certificate(name: &str) -> Self {
        let file = |name: String| broker().certificate(&name).display().to_string();
        let properties = BTreeMap::from([
            ("security.protocol", "SSL".to_owned()),
            ("ssl.ca.location", file("ca.crt".to_owned())),
            ("ssl.certificate.location", file(format!("{name}.crt"))),
            ("ssl.key.location", file(format!("{name}.key"))),
        ]);
        Self { address: broker().tls(), properties, password: None }
    }

    fn sasl(mechanism: &str, user: &str) -> Self {
        let mut properties = BTreeMap::from([
            ("security.protocol", "SASL_SSL".to_owned()),
            ("sasl.mechanism", mechanism.to_owned()),
            ("ssl.ca.location", broker().certificate("ca.crt").display().to_string()),
        ]);
        let mut password = None;
        if mechanism == "OAUTHBEARER" {
            properties.insert("enable.sasl.oauthbearer.unsecure.jwt", "true".to_owned());
            properties.insert("sasl.oauthbearer.config", format!("principal={user}"));
        } else {
            properties.insert("sasl.username", user.to_owned());
            password = Some(format!("{user}-password"));
        }
        Self { address: broker().sasl(), properties, password }
    }

    /// Runs the service over the input, with topics of its own.
    fn run(&self, settings: &Settings, secret: &str) -> Output {
        let folder = tempfile::tempdir().unwrap();
        let mut text = format!(
            "clock: event\nkafka:\n  brokers: [\"{}\"]\n  group: {}\n  prefix: {}\n  start: earliest\n  patience: 6s\n  inputs: {{ {INPUT}: {{ encoding: json }} }}\n  properties:\n",
            self.address, settings.group, settings.prefix
        );
        for (name, value) in &self.properties {
            writeln!(text, "    {name}: \"{value}\"").unwrap();
        }
        if self.password.is_some() {
            writeln!(text, "  secrets: {{ sasl.password: {secret} }}").unwrap();
        }
        fs::write(folder.path().join("theriac.yaml"), text).unwrap();
        let mut process = command(folder.path(), &["run", "--until-end"]);
        if let Some(password) = &self.password {
            fs::write(folder.path().join("password"), format!("{password}\n")).unwrap();
            process.env(VARIABLE, password);
        }
        let output = process.output().unwrap();
        if let Some(password) = &self.password {
            for told in [&output.stdout, &output.stderr] {
                let told = String::from_utf8_lossy(told);
                assert!(!told.contains(password), "a secret is shown: {told}");
            }
        }
        output
    }

    /// What it is told when it is not let in.
    fn refused(&self, settings: &Settings) -> String {
        let output = self.run(settings, &format!("{{ environment: {VARIABLE} }}"));
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{told}");
        println!("{told}");
        told
    }
}

#[test]
fn each_way_in_leads_to_the_topics() {
    let everyone = [
        ("tls", Client::certificate("theriac")),
        ("plain", Client::sasl("PLAIN", "theriac")),
        ("scram256", Client::sasl("SCRAM-SHA-256", "theriac")),
        ("scram512", Client::sasl("SCRAM-SHA-512", "theriac")),
        ("oauth", Client::sasl("OAUTHBEARER", "theriac")),
    ];
    // One group and one beginning of names: what is granted is what the README says, no more.
    let granted = broker().settings("secured");
    broker().grant("theriac", &granted, &[INPUT]);
    for (index, (name, client)) in everyone.into_iter().enumerate() {
        let settings = Settings { prefix: format!("secured.{name}."), ..granted.clone() };
        let variable = format!("{{ environment: {VARIABLE} }}");
        let output = client.run(&settings, if index % 2 == 0 { "{ file: password }" } else { &variable });
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name}: {told}");
        let topics = KafkaTopics::open(&settings, 0, None).unwrap();
        let known = topics.read(Topic::Knowledge, 0, 0, usize::MAX).unwrap();
        let seen = known.iter().any(|fact| String::from_utf8_lossy(&fact.record.value).contains("shop"));
        assert!(seen, "{name}: nothing was read");
    }
}

#[test]
fn a_wrong_password_is_told_as_one() {
    for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] {
        let client =
            Client { password: Some("not-the-one".to_owned()), ..Client::sasl(mechanism, "theriac") };
        let told = client.refused(&broker().settings("wrong"));
        assert!(
            told.contains(
                "user name, password or mechanism in `kafka.properties` and `kafka.secrets` are wrong"
            ),
            "{told}"
        );
    }
}

#[test]
fn a_certificate_of_a_stranger_is_told_as_one() {
    let mut stranger = Client::sasl("PLAIN", "theriac");
    let ca = broker().certificate("stranger.crt").display().to_string();
    stranger.properties.insert("ssl.ca.location", ca);
    for client in [stranger, Client::certificate("unknown")] {
        let told = client.refused(&broker().settings("stranger"));
        assert!(told.contains("certificate") && told.contains("`ssl.ca.location`"), "{told}");
    }
}

#[test]
fn who_may_not_do_something_is_told_what_is_needed() {
    for client in [Client::certificate("guest"), Client::sasl("SCRAM-SHA-512", "guest")] {
        let told = client.refused(&broker().settings("guest"));
        assert!(told.contains("lacks a permission: it reads its inputs"), "{told}");
    }
}
