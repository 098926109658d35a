//! The corpus as its authors count it, and the scorer against published results, closed
//! forms, and the numbers that `reference/nab_scores.py` prints.

mod corpus;

use proptest::prelude::*;
use theriac_datasets::{
    ReadError,
    nab::{Corpus, Layout, Profile, ScoreError, Scorer, Window, published},
};

fn nab() -> Corpus {
    Corpus::open(&corpus::folder("nab")).expect("the corpus reads")
}

fn best(layouts: &[Layout], scores: &[Vec<f64>]) -> [f64; 3] {
    let scorer = Scorer::new(layouts, scores).expect("scores fit");
    Profile::ALL.map(|profile| scorer.best(profile).score)
}

fn assert_near(found: [f64; 3], expected: [f64; 3], tolerance: f64) {
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() <= tolerance, "{found} is not {expected}");
    }
}

#[test]
fn the_corpus_is_whole() {
    let corpus = nab();
    assert_eq!(corpus.files.len(), 58);
    assert_eq!(corpus.rows(), 365_558);
    let count = |category: &str| {
        let files = corpus.files.iter().filter(|file| file.layout.category == category);
        files.fold((0, 0), |(files, windows), file| (files + 1, windows + file.layout.windows.len()))
    };
    assert_eq!(count("artificialNoAnomaly"), (5, 0));
    assert_eq!(count("artificialWithAnomaly"), (6, 6));
    assert_eq!(count("realAWSCloudwatch"), (17, 30));
    assert_eq!(count("realAdExchange"), (6, 14));
    assert_eq!(count("realKnownCause"), (7, 19));
    assert_eq!(count("realTraffic"), (7, 14));
    assert_eq!(count("realTweets"), (10, 33));
    assert_eq!(corpus.files.iter().map(|file| file.labelled_rows.len()).sum::<usize>(), 120);
    for file in &corpus.files {
        let probation = file.layout.probation();
        assert!(file.layout.windows.iter().all(|window| window.first >= probation), "{}", file.layout.name);
    }
}

#[test]
fn nothing_detected_scores_zero() {
    let layouts = nab().layouts();
    let scores: Vec<Vec<f64>> = layouts.iter().map(|layout| vec![0.0; layout.rows]).collect();
    assert_near(best(&layouts, &scores), [0.0; 3], 0.0);
}

#[test]
fn the_first_row_of_each_window_scores_a_hundred() {
    let layouts = nab().layouts();
    let mut scores: Vec<Vec<f64>> = layouts.iter().map(|layout| vec![0.0; layout.rows]).collect();
    for (layout, scores) in layouts.iter().zip(&mut scores) {
        for window in &layout.windows {
            scores[window.first] = 1.0;
        }
    }
    assert_near(best(&layouts, &scores), [100.0; 3], 1e-9);
}

/// What `reference/nab_scores.py` prints for detections at exactly the labelled instants.
/// One instant lies just outside its window: 115 of 116 windows are hit, with one false alarm.
const LABELLED_INSTANTS: [f64; 3] = [92.172_703_850, 92.125_290_057, 94.494_446_245];

#[test]
fn firing_at_each_labelled_instant_scores_as_the_reference() {
    let corpus = nab();
    let scores: Vec<Vec<f64>> = corpus
        .files
        .iter()
        .map(|file| {
            let mut scores = vec![0.0; file.layout.rows];
            file.labelled_rows.iter().for_each(|row| scores[*row] = 1.0);
            scores
        })
        .collect();
    assert_near(best(&corpus.layouts(), &scores), LABELLED_INSTANTS, 1e-8);
}

/// The rule that htm-community/NAB publishes a result for: a value that leaves the range
/// seen so far by more than 5 % of it.
fn new_extreme(values: &[f64]) -> Vec<f64> {
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    let mut scores = Vec::with_capacity(values.len());
    for &value in values {
        let tolerance = if low < high { 0.05 * (high - low) } else { f64::INFINITY };
        scores.push(f64::from(value > high + tolerance || value < low - tolerance));
        low = low.min(value);
        high = high.max(value);
    }
    scores
}

#[test]
fn the_new_extreme_rule_scores_as_published() {
    let corpus = nab();
    let scores: Vec<Vec<f64>> = corpus.files.iter().map(|file| new_extreme(&file.values)).collect();
    let expected = published().iter().find(|row| row.detector.starts_with("new extreme")).unwrap();
    let expected = [expected.standard, expected.reward_low_fp_rate, expected.reward_low_fn_rate];
    assert_near(best(&corpus.layouts(), &scores), expected, 0.005);
}

/// As `random_scores` in `reference/nab_scores.py`.
fn random_scores(seed: u64, rows: usize) -> Vec<f64> {
    let mut state = seed;
    let mut draw = || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        f64::from((z ^ (z >> 31)).trailing_zeros().min(16)) / 16.0
    };
    (0..rows).map(|_| draw()).collect()
}

/// What `reference/nab_scores.py` prints for one detector, per profile.
struct Reference {
    threshold: [f64; 3],
    raw: [f64; 3],
    score: [f64; 3],
    fixed: (f64, [f64; 3]),
    left_out: [f64; 3],
}

fn assert_is(layouts: &[Layout], scores: &[Vec<f64>], expected: &Reference) {
    let scorer = Scorer::new(layouts, scores).expect("scores fit");
    let best = Profile::ALL.map(|profile| scorer.best(profile));
    assert_eq!([0, 1, 2].map(|k: usize| best[k].threshold), expected.threshold);
    assert_near([0, 1, 2].map(|k: usize| best[k].raw), expected.raw, 1e-8);
    assert_near([0, 1, 2].map(|k: usize| best[k].score), expected.score, 1e-8);
    let (threshold, fixed) = expected.fixed;
    assert_near(Profile::ALL.map(|profile| scorer.at(profile, threshold).score), fixed, 1e-8);
    let left_out = Profile::ALL.map(|profile| scorer.leave_one_category_out(profile).score);
    assert_near(left_out, expected.left_out, 1e-8);
    for score in best {
        let gains: f64 = score.categories.iter().map(|category| category.gain).sum();
        let most: f64 = score.categories.iter().map(|category| category.gain_max).sum();
        assert!((100.0 * gains / most - score.score).abs() < 1e-9);
        assert_eq!(score.windows_hit, score.categories.iter().map(|c| c.windows_hit).sum::<usize>());
    }
}

#[test]
fn random_scores_over_the_corpus_agree_with_the_reference() {
    let layouts = nab().layouts();
    let detector = |seed: u64| -> Vec<Vec<f64>> {
        layouts.iter().zip(seed * 1000..).map(|(layout, seed)| random_scores(seed, layout.rows)).collect()
    };
    let first = Reference {
        threshold: [0.5625, 1.0, 0.5625],
        raw: [-86.500_835_237, -115.221_299_315, -151.500_835_237],
        score: [12.715_157_225, 0.335_646_847, 23.131_943_897],
        fixed: (0.625, [7.234_623_199, -5.597_233_645, 12.581_702_822]),
        left_out: [12.715_157_225, -1.865_006_329, 23.131_943_897],
    };
    assert_is(&layouts, &detector(1), &first);
    let second = Reference {
        threshold: [0.625, 1.0, 0.5],
        raw: [-95.457_700_889, -114.751_217_634, -159.092_871_560],
        score: [8.854_439_272, 0.538_268_261, 20.950_324_264],
        fixed: (0.625, [8.854_439_272, -4.294_609_878, 14.236_292_848]),
        left_out: [6.383_756_376, -3.562_957_177, 20.950_324_264],
    };
    assert_is(&layouts, &detector(2), &second);
}

fn layout(name: &str, rows: usize, windows: &[(usize, usize)]) -> Layout {
    Layout {
        name: name.to_owned(),
        category: name.split('/').next().unwrap_or_default().to_owned(),
        rows,
        windows: windows.iter().map(|&(first, last)| Window { first, last }).collect(),
    }
}

#[test]
fn a_case_made_by_hand_agrees_with_the_reference() {
    let layouts = [
        layout("a/one", 100, &[(40, 49), (70, 79)]),
        layout("b/two", 60, &[]),
        layout("b/three", 10_000, &[(800, 999)]),
    ];
    let mut scores: Vec<Vec<f64>> = layouts.iter().map(|layout| vec![0.0; layout.rows]).collect();
    for (file, row, score) in [
        (0, 3, 1.0),
        (0, 20, 0.5),
        (0, 40, 0.9),
        (0, 41, 1.0),
        (0, 50, 0.8),
        (0, 54, 0.7),
        (0, 79, 0.6),
        (0, 99, 0.6),
        (1, 30, 0.4),
        (2, 749, 1.0),
        (2, 900, 0.6),
        (2, 9999, 0.3),
    ] {
        scores[file][row] = score;
    }
    let expected = Reference {
        threshold: [0.6; 3],
        raw: [1.871_122_340, 1.634_210_564, 1.871_122_340],
        score: [81.185_372_337, 77.236_842_729, 87.456_914_891],
        fixed: (0.5, [79.352_039_003, 73.570_176_062, 86.234_692_669]),
        left_out: [81.185_372_337, 77.236_842_729, 87.456_914_891],
    };
    assert_is(&layouts, &scores, &expected);
}

#[test]
fn scores_that_do_not_fit_are_refused() {
    let layouts = [layout("a/one", 3, &[(1, 2)])];
    let refused = |scores: &[Vec<f64>]| Scorer::new(&layouts, scores).err().expect("refused");
    assert_eq!(refused(&[]), ScoreError::Files { found: 0, expected: 1 });
    assert!(matches!(refused(&[vec![0.0; 2]]), ScoreError::Rows { found: 2, expected: 3, .. }));
    assert!(matches!(refused(&[vec![0.0, 1.5, 0.0]]), ScoreError::Range { row: 1, .. }));
    assert!(matches!(refused(&[vec![0.0, 0.0, f64::NAN]]), ScoreError::Range { row: 2, .. }));
    for windows in [&[(1, 3)][..], &[(2, 1)], &[(0, 1), (1, 2)]] {
        let error = Scorer::new(&[layout("a/one", 3, windows)], &[vec![0.0; 3]]).err();
        assert!(matches!(error, Some(ScoreError::Window { .. })), "{windows:?}");
    }
}

#[test]
fn a_broken_corpus_names_the_file_and_the_line() {
    let dir = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &[u8]| {
        let path = dir.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let labels = br#"{"c/f.csv": [["2020-01-01 00:05:00.000000", "2020-01-01 00:05:00.000000"]]}"#;
    write("labels/combined_labels.json", br#"{"c/f.csv": ["2020-01-01 00:05:00"]}"#);
    let open = |data: Option<&[u8]>, labels: &[u8]| {
        write("labels/combined_windows.json", labels);
        if let Some(data) = data {
            write("data/c/f.csv", data);
        }
        Corpus::open(dir.path())
    };
    assert!(matches!(open(None, labels), Err(ReadError::Io { .. })));
    let line_of = |data: &[u8]| match open(Some(data), labels) {
        Err(ReadError::Malformed { line, .. }) => line,
        other => panic!("{other:?}"),
    };
    assert_eq!(line_of(b"timestamp,value\n2020-01-01 00:00:00,1\n2020-01-01 00:05:00,x\n"), Some(3));
    assert_eq!(line_of(b"timestamp,value\n2020-01-01 00:00:00,1\n2020-01-01 00:05"), Some(3));
    assert_eq!(line_of(b"timestamp,value\nnever,1\n"), Some(2));
    assert_eq!(line_of(b"timestamp,value\n\xff\xfe,1\n"), Some(2));
    assert_eq!(line_of(b"timestamp,value\n2020-01-01 00:00:00,1\n"), None, "the labelled row is missing");
    assert!(open(Some(b"timestamp,value\r\n2020-01-01 00:05:00,1\r\n"), &labels[..40]).is_err());
    let read = open(Some(b"timestamp,value\r\n2020-01-01 00:05:00,1\r\n2020-01-01 00:05:00,2\r\n"), labels);
    assert_eq!(read.unwrap().files[0].layout.windows, [Window { first: 0, last: 0 }], "the first such row");
}

#[test]
fn the_score_board_is_sorted_and_says_who_looks_ahead() {
    assert!(published().windows(2).all(|pair| pair[0].standard >= pair[1].standard));
    let best_causal = published().iter().find(|row| row.causal == Some(true)).unwrap();
    assert_eq!((best_causal.detector, best_causal.standard), ("htm.core", 63.1));
}

proptest! {
    #[test]
    fn no_threshold_beats_the_best_and_more_hits_never_cost(
        seed in any::<u64>(),
        first in 20_usize..60,
        width in 1_usize..30,
    ) {
        let layouts = [layout("a/one", 120, &[(first, first + width)]), layout("b/two", 80, &[])];
        let scores: Vec<Vec<f64>> =
            layouts.iter().zip(seed..=seed.saturating_add(1)).map(|(l, s)| random_scores(s, l.rows)).collect();
        prop_assume!(scores.len() == 2);
        let scorer = Scorer::new(&layouts, &scores).unwrap();
        for profile in Profile::ALL {
            let best = scorer.best(profile);
            for level in 0..=18 {
                prop_assert!(scorer.at(profile, f64::from(level) / 16.0).raw <= best.raw + 1e-12);
            }
            prop_assert!((0.0..=100.0).contains(&best.score));
        }
    }
}

#[test]
fn the_digest_tells_any_change() {
    let corpus = nab();
    let digest = corpus.digest();
    assert_eq!(digest.len(), 16);
    assert_eq!(digest, nab().digest());
    let changes: [fn(&mut Corpus); 5] = [
        |corpus| corpus.files[3].values[7] += 1e-9,
        |corpus| corpus.files[3].times[7].0 += 1,
        |corpus| corpus.files[9].layout.windows[0].last += 1,
        |corpus| corpus.files[9].labelled_rows[0] += 1,
        |corpus| corpus.files.swap(0, 1),
    ];
    for (number, change) in changes.iter().enumerate() {
        let mut changed = corpus.clone();
        change(&mut changed);
        assert_ne!(changed.digest(), digest, "change {number}");
    }
}
