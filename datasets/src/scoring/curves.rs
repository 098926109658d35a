//! Areas under curves over all thresholds, and the best F1 on them.
//!
//! Rows of equal score are detected together. `labels` holds both kinds of rows and there is
//! one finite score for each; [`super::Measures::of`] checks that.

/// Added to the sum in the denominator of F1, as the benchmark does.
const F1_GUARD: f64 = 1e-5;

/// What is detected at one threshold.
#[derive(Clone, Copy)]
struct Level {
    /// Labelled rows among the detected.
    hits: f64,
    /// Detected rows.
    detected: f64,
}

/// One level for each score that occurs, the highest first.
fn levels(labels: &[bool], scores: &[f64]) -> Vec<Level> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
    let mut levels = Vec::new();
    let (mut hits, mut detected) = (0.0, 0.0);
    for (position, &row) in order.iter().enumerate() {
        hits += f64::from(u8::from(labels[row]));
        detected += 1.0;
        if order.get(position + 1).is_none_or(|next| scores[*next] < scores[row]) {
            levels.push(Level { hits, detected });
        }
    }
    levels
}

/// Area under the true positive rate over the false positive rate, by trapezoids.
#[must_use]
pub fn auc_roc(labels: &[bool], scores: &[f64]) -> f64 {
    let levels = levels(labels, scores);
    let Some(all) = levels.last() else { return 0.0 };
    let mut area = 0.0;
    let mut before = Level { hits: 0.0, detected: 0.0 };
    for level in &levels {
        let false_alarms = (level.detected - level.hits) - (before.detected - before.hits);
        area += false_alarms * (level.hits + before.hits) / 2.0;
        before = *level;
    }
    area / (all.hits * (all.detected - all.hits))
}

/// Average precision: the area under precision over recall, by steps.
#[must_use]
pub fn auc_pr(labels: &[bool], scores: &[f64]) -> f64 {
    let levels = levels(labels, scores);
    let Some(all) = levels.last() else { return 0.0 };
    let mut area = 0.0;
    let mut hits = 0.0;
    for level in &levels {
        area += (level.hits - hits) * level.hits / level.detected;
        hits = level.hits;
    }
    area / all.hits
}

/// The best F1 over all thresholds, as the benchmark has it: 2PR / (P + R + 1e-5).
#[must_use]
pub fn best_f1(labels: &[bool], scores: &[f64]) -> f64 {
    let levels = levels(labels, scores);
    let Some(all) = levels.last() else { return 0.0 };
    let f1 = levels.iter().map(|level| {
        let (precision, recall) = (level.hits / level.detected, level.hits / all.hits);
        2.0 * precision * recall / (precision + recall + F1_GUARD)
    });
    f1.fold(0.0, f64::max)
}
