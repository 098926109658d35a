//! What each part is worth: the same data again, without one part at a time.

use anyhow::Result;
use theriac_detect::EntitySettings;
use theriac_detectors::records::{Families, Family};

use crate::{
    config::Config,
    output::{Report, note, say},
};

/// Every part with the configuration that lacks it, and nothing else.
fn parts(config: &Config) -> Vec<(&'static str, Config)> {
    let mut parts: Vec<(&'static str, Config)> = Family::ALL
        .into_iter()
        .filter(|family| config.detect.records_families.contain(*family))
        .map(|family| (family.name(), without(config, family)))
        .collect();
    let mut of_entities = |name, is_on: bool, drop: fn(&mut EntitySettings)| {
        if is_on && config.detect.entities.at_most > 0 {
            let mut without = config.clone();
            drop(&mut without.detect.entities);
            parts.push((name, without));
        }
    };
    let entities = &config.detect.entities;
    of_entities("subspace", entities.subspace.is_some(), |entities| entities.subspace = None);
    of_entities("mahalanobis", entities.mahalanobis.is_some(), |entities| entities.mahalanobis = None);
    of_entities("correlation", entities.correlation.is_some(), |entities| entities.correlation = None);
    parts
}

fn without(config: &Config, family: Family) -> Config {
    let mut without = config.clone();
    let families: Families = without.detect.records_families;
    without.detect.records_families = families.without(family);
    without
}

/// Evaluates without each part in turn, and adds the figures of these names to the report:
/// `ablation.PART.NAME`.
pub(super) fn run(
    config: &Config,
    names: &[String],
    report: &mut Report,
    mut evaluate: impl FnMut(&Config) -> Result<Report>,
) -> Result<()> {
    for (part, config) in parts(config) {
        note!("without {part}");
        let without = evaluate(&config)?;
        for name in names {
            if let Some(value) = without.metrics.get(name) {
                report.set(&format!("ablation.{part}.{name}"), *value);
            }
        }
    }
    Ok(())
}

/// A table: a line for each part, its figures and by how much they are higher than with it.
pub(super) fn print(config: &Config, names: &[String], report: &Report) {
    let figure = |name: &str| report.metrics.get(name).copied().unwrap_or(f64::NAN);
    let shown: Vec<&String> = names.iter().filter(|name| report.metrics.contains_key(*name)).collect();
    let head: String = shown.iter().map(|name| format!(" {name:>28}")).collect();
    say!("\n{:<12}{head}", "without");
    let whole: String = shown.iter().map(|name| format!(" {:>18.3}{:10}", figure(name), "")).collect();
    say!("{:<12}{}", "nothing", whole.trim_end());
    for (part, _) in parts(config) {
        let cells = shown.iter().map(|name| {
            let without = figure(&format!("ablation.{part}.{name}"));
            format!(" {without:>18.3} {:>+9.3}", without - figure(name))
        });
        say!("{part:<12}{}", cells.collect::<String>());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_is_left_out_once_and_alone() {
        let config = Config::default();
        let names: Vec<&str> = parts(&config).iter().map(|(name, _)| *name).collect();
        let families = ["high", "low", "jump", "season", "drift", "spread", "rough", "calm"];
        let expected = [&families[..], &["subspace", "mahalanobis", "correlation"]].concat();
        assert_eq!(names, expected);
        for (name, without) in parts(&config) {
            let same = without.detect.records_families == config.detect.records_families;
            assert_eq!(same, !families.contains(&name), "{name}");
            assert_eq!(without.detect.entities == config.detect.entities, families.contains(&name), "{name}");
            assert_eq!(parts(&without).len(), expected.len() - 1, "{name}");
        }
    }

    #[test]
    fn figures_stand_under_the_part_that_is_missing() {
        let mut report = Report::new("eval", String::new(), String::new(), None);
        report.set("a", 1.0);
        let names = ["a".to_owned(), "missing".to_owned()];
        run(&Config::default(), &names, &mut report, |config| {
            let mut without = Report::new("eval", String::new(), String::new(), None);
            without.set("a", if config.detect.entities.subspace.is_none() { 3.0 } else { 2.0 });
            without.set("b", 9.0);
            Ok(without)
        })
        .unwrap();
        assert_eq!(report.metrics["ablation.subspace.a"], 3.0);
        assert_eq!(report.metrics["ablation.calm.a"], 2.0);
        assert_eq!(report.metrics.len(), 1 + 11, "{:?}", report.metrics);
    }
}
