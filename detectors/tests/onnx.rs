//! Models in ONNX files answer as by onnxruntime, and files that break the contract are told what is
//! wrong; `reference/onnx_models.py` wrote files and numbers.

#![expect(clippy::unwrap_used, reason = "a test stops where a reference is malformed")]

use std::path::Path;

use serde_json::Value;
use theriac_contract::{Checkpointed, SeriesId, Timestamp};
use theriac_detectors::{
    Bank, Enabled, OwnModel, Scores, Settings,
    onnx::{Onnx, OnnxError, OnnxModel, OnnxSettings},
    slots::{Model, Slots},
};

fn load(name: &str) -> Result<OnnxModel, OnnxError> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference");
    OnnxModel::new(name, &std::fs::read(folder.join(name)).unwrap())
}

fn settings(name: &str, standardise: bool) -> OnnxSettings {
    OnnxSettings { model: load(&format!("onnx/{name}.onnx")).unwrap(), standardise }
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

#[test]
fn agrees_with_onnxruntime() {
    let reference: Value = serde_json::from_str(include_str!("reference/onnx.json")).unwrap();
    for (name, answers) in reference["models"].as_object().unwrap() {
        let (model, scale) = name.split_once(' ').unwrap();
        let settings = settings(model, scale == "standardised");
        assert_eq!(settings.model.window(), 8);
        let mut model = Onnx::empty(&settings, 1);
        let found: Vec<_> =
            numbers(&reference["values"]).into_iter().map(|value| model.update(value)).collect();
        assert!(found[..7].iter().all(Option::is_none));
        let scores = numbers(&answers["scores"]);
        let expected = answers["expected"].is_array().then(|| numbers(&answers["expected"]));
        assert_eq!(found.len(), 7 + scores.len());
        for (i, found) in found[7..].iter().enumerate() {
            let found = found.unwrap();
            assert!((found.score - scores[i]).abs() < 1e-5, "{name} {i}: {found:?}, {}", scores[i]);
            match (&expected, found.expected) {
                (Some(expected), Some(found)) => assert!((found - expected[i]).abs() < 1e-5, "{name} {i}"),
                (expected, found) => assert!(expected.is_none() && found.is_none(), "{name} {i}"),
            }
        }
    }
}

#[test]
fn a_file_that_breaks_the_contract_is_told_what_is_wrong() {
    for (name, expected, found) in [
        ("onnx.json", "an ONNX model was expected", "but"),
        ("onnx/double.onnx", "one input f32 [1, 2 to 4096] was expected", "F64"),
        ("onnx/three_axes.onnx", "one input f32 [1, 2 to 4096] was expected", "1,1,8"),
        ("onnx/two_inputs.onnx", "one input f32 [1, 2 to 4096] was expected", "there are 2 inputs"),
        ("onnx/score_of_eight.onnx", "each f32 [1, 1], were expected", "output 1 is 1,8,F32"),
    ] {
        let error = load(name).unwrap_err().to_string();
        println!("{error}");
        assert!(error.contains(name) && error.contains(expected) && error.contains(found), "{error}");
    }
}

#[test]
fn a_restored_model_goes_on_as_if_never_stopped() {
    let value =
        |t: u32| if t.is_multiple_of(17) { f64::NAN } else { f64::from(t.wrapping_mul(2_654_435_761) >> 16) };
    let settings = settings("autoencoder", true);
    for stop in [3, 7, 8, 20] {
        let mut one: Slots<Onnx> = Slots::new(settings.clone());
        let mut other: Slots<Onnx> = Slots::new(settings.clone());
        for t in 0..60 {
            let a = one.model(3, 1).update(value(t));
            if t == stop {
                other.restore(&one.snapshot().unwrap()).unwrap();
            } else if t > stop {
                assert_eq!(a, other.model(3, 1).update(value(t)), "{t}");
            }
        }
    }
}

/// Last p-values and expected value of a bank with the forecaster, over a sine that jumps at the end.
fn run(bank: &mut Bank, ticks: std::ops::Range<i64>) -> (Vec<f64>, f64) {
    let mut expected = [0.0];
    for t in ticks {
        let jump = if t == 599 { 3.0 } else { 0.0 };
        let [mut p_value, mut low, mut high] = [[0.0]; 3];
        let mut out =
            Scores { p_value: &mut p_value, expected: &mut expected, low: &mut low, high: &mut high };
        let value = libm::sin(t as f64 / 4.0) + 0.1 * libm::sin(t as f64 * t as f64) + jump;
        bank.update(Timestamp::from_seconds(10 * t), &[value], &[true], &mut out);
    }
    (bank.p_values(SeriesId(0)).collect(), expected[0])
}

#[test]
fn the_bank_runs_a_model_beside_its_detectors() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/onnx");
    let open = |file: &str| OwnModel::new(file.into(), false).open(&folder);
    let enabled = Enabled::only(&["missing"]).unwrap();
    let settings = Settings { enabled, onnx: Some(open("forecaster.onnx").unwrap()), ..Settings::default() };
    let mut bank = Bank::new(&settings);
    bank.grow(1);
    assert_eq!(bank.specs().map(|spec| spec.name).collect::<Vec<_>>(), ["missing", "onnx"]);
    let (ordinary, _) = run(&mut bank, 0..500);
    assert!(ordinary[1] > 0.01, "{ordinary:?}");
    let mut restored = Bank::new(&settings);
    restored.restore(&bank.snapshot().unwrap()).unwrap();
    let (jumped, expected) = run(&mut bank, 500..600);
    assert!(jumped[1] < 1e-4, "{jumped:?}");
    assert!(expected.abs() < 1.5, "{expected}");
    let (again, same) = run(&mut restored, 500..600);
    assert_eq!((jumped, expected.to_bits()), (again, same.to_bits()));

    // What it holds counts, and where it lies does not.
    assert_ne!(open("forecaster.onnx").unwrap(), open("autoencoder.onnx").unwrap());
    let text = serde_json::to_string(&settings).unwrap();
    assert!(text.contains("model-") && !text.contains("forecaster"), "{text}");
    let missing = open("nobody.onnx").unwrap_err().to_string();
    assert!(missing.contains("nobody.onnx` cannot be read"), "{missing}");
}
