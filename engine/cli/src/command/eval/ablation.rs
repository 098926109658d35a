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

/// What is told of the data as a whole, and of each category.
pub(super) struct Figures {
    /// Names of figures.
    pub(super) whole: Vec<String>,
    /// Of a figure `SET.category.NAME.FIGURE`, what it ends in.
    pub(super) of_category: &'static str,
}

impl Figures {
    /// Categories of a report with the names of their figures.
    fn of_categories<'a>(&self, report: &'a Report) -> Vec<(&'a str, &'a str)> {
        let named = report.metrics.keys().filter(|name| !name.starts_with("ablation."));
        let of_category = |name: &'a String| {
            let (category, figure) = name.split_once(".category.")?.1.rsplit_once('.')?;
            (figure == self.of_category).then_some((category, name.as_str()))
        };
        named.filter_map(of_category).collect()
    }
}

/// Evaluates without each part in turn, and adds figures to the report: `ablation.PART.NAME`.
pub(super) fn run(
    config: &Config,
    figures: &Figures,
    report: &mut Report,
    mut evaluate: impl FnMut(&Config) -> Result<Report>,
) -> Result<()> {
    let of_categories = figures.of_categories(report).into_iter().map(|(_, name)| name.to_owned());
    let names: Vec<String> = figures.whole.iter().cloned().chain(of_categories).collect();
    for (part, config) in parts(config) {
        note!("without {part}");
        let without = evaluate(&config)?;
        for name in &names {
            if let Some(value) = without.metrics.get(name) {
                report.set(&format!("ablation.{part}.{name}"), *value);
            }
        }
    }
    Ok(())
}

/// Two tables: a line for each part, its figures and by how much they are higher than with it.
pub(super) fn print(config: &Config, figures: &Figures, report: &Report) {
    let figure = |name: &str| report.metrics.get(name).copied().unwrap_or(f64::NAN);
    let shown: Vec<&String> =
        figures.whole.iter().filter(|name| report.metrics.contains_key(*name)).collect();
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
    let categories = figures.of_categories(report);
    let head: String = categories.iter().map(|(category, _)| format!(" {category:>22}")).collect();
    say!("\n{:<12}{head}", format!("{} without", figures.of_category));
    let whole: String = categories.iter().map(|(_, name)| format!(" {:>22.3}", figure(name))).collect();
    say!("{:<12}{whole}", "nothing");
    for (part, _) in parts(config) {
        let difference = |name: &str| figure(&format!("ablation.{part}.{name}")) - figure(name);
        let cells: String =
            categories.iter().map(|(_, name)| format!(" {:>+22.3}", difference(name))).collect();
        say!("{part:<12}{cells}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A configuration with every part.
    fn everything() -> Config {
        let mut config = Config::default();
        config.detect.entities.mahalanobis = Some(Default::default());
        config.detect.entities.correlation = Some(Default::default());
        config
    }

    #[test]
    fn each_part_is_left_out_once_and_alone() {
        let config = everything();
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
        assert_eq!(parts(&Config::default()).len(), families.len() + 1, "only what is on");
    }

    #[test]
    fn figures_stand_under_the_part_that_is_missing() {
        let mut report = Report::new("eval", String::new(), String::new(), None);
        report.set("a", 1.0);
        report.set("set.category.real.thing.gain", 1.0);
        let figures = Figures { whole: vec!["a".to_owned(), "missing".to_owned()], of_category: "gain" };
        run(&everything(), &figures, &mut report, |config| {
            let mut without = Report::new("eval", String::new(), String::new(), None);
            without.set("set.category.real.thing.gain", 0.5);
            without.set("a", if config.detect.entities.subspace.is_none() { 3.0 } else { 2.0 });
            without.set("b", 9.0);
            Ok(without)
        })
        .unwrap();
        assert_eq!(report.metrics["ablation.subspace.a"], 3.0);
        assert_eq!(report.metrics["ablation.calm.a"], 2.0);
        assert_eq!(report.metrics["ablation.calm.set.category.real.thing.gain"], 0.5);
        assert_eq!(figures.of_categories(&report), [("real.thing", "set.category.real.thing.gain")]);
        assert_eq!(report.metrics.len(), 2 * (1 + 11), "{:?}", report.metrics);
    }
}
