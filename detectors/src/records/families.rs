//! Which families of statistics count.

use serde::{Deserialize, Serialize};

use super::Family;

/// A set of families. In settings: a list of their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<Family>", into = "Vec<Family>")]
pub struct Families([bool; Family::ALL.len()]);

impl Families {
    /// All of them.
    pub const ALL: Self = Self([true; Family::ALL.len()]);

    /// The others.
    #[must_use]
    pub const fn without(mut self, family: Family) -> Self {
        self.0[family as usize] = false;
        self
    }

    /// Whether it is one of them.
    #[must_use]
    pub const fn contain(self, family: Family) -> bool {
        self.0[family as usize]
    }
}

impl Default for Families {
    fn default() -> Self {
        Self::ALL
    }
}

impl From<Vec<Family>> for Families {
    fn from(families: Vec<Family>) -> Self {
        Self(Family::ALL.map(|family| families.contains(&family)))
    }
}

impl From<Families> for Vec<Family> {
    fn from(families: Families) -> Self {
        Family::ALL.into_iter().filter(|family| families.contain(*family)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_name_them() {
        let families = Families::ALL.without(Family::Season).without(Family::High);
        let text = serde_json::to_string(&families).unwrap();
        assert_eq!(text, r#"["low","jump","drift","spread","rough","calm"]"#);
        assert_eq!(serde_json::from_str::<Families>(&text).unwrap(), families);
        assert!(!serde_json::from_str::<Families>("[]").unwrap().contain(Family::Calm));
        assert!(serde_json::from_str::<Families>(r#"["hihg"]"#).is_err());
        for family in Family::ALL {
            assert_eq!(serde_json::to_value(family).unwrap(), family.name());
        }
    }
}
