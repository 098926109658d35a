//! A model that was trained elsewhere, as an ONNX file.
//!
#![doc = include_str!("../ONNX.md")]
//!
//! [`crate::Settings::onnx`] names the file; the bank runs it beside the detectors.
//!
//! A model holds no state of its own between calls, so that a checkpoint is the window. It runs
//! on one thread, by `tract`, as the declared graph says. The same machine gives the
//! same bits; between kinds of CPU the last bits of a matrix product may differ.

use std::{fmt, sync::Arc};

use theriac_contract::Timestamp;
use tract_onnx::prelude::{
    Datum, Framework, InferenceModelExt, IntoRunnable, Tensor, TractError, TypedModel, TypedRunnableModel,
    tvec,
};

use crate::{
    detector::Spec,
    modelled::{self, Reading, SeriesModel},
    newest::{Newest, Unit},
    slots::{Model, Numbers},
};

/// Largest window.
const WINDOW_MAX: usize = 4_096;
/// Why a file is no model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{file}`: {expected} expected, but {found}")]
pub struct OnnxError {
    /// The file.
    pub file: String,
    /// What was expected.
    pub expected: &'static str,
    /// What was found instead.
    pub found: String,
}

/// What a file holds, ready to run.
#[derive(Clone)]
pub struct OnnxModel {
    file: String,
    window: usize,
    plan: Arc<TypedRunnableModel>,
}

impl fmt::Debug for OnnxModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnnxModel").field("file", &self.file).field("window", &self.window).finish()
    }
}

impl OnnxModel {
    /// Checks the `bytes` of `file` against the contract, and runs the model once over zeros.
    ///
    /// # Errors
    /// If the bytes are no ONNX model, it has an operator that is not known, or it does not keep
    /// to the contract.
    pub fn new(file: &str, bytes: &[u8]) -> Result<Self, OnnxError> {
        let unsuitable = |expected| move |found| OnnxError { file: file.to_owned(), expected, found };
        let model = tract_onnx::onnx()
            .model_for_read(&mut &*bytes)
            .and_then(InferenceModelExt::into_typed)
            .and_then(TypedModel::into_decluttered)
            .map_err(reason)
            .map_err(unsuitable("an ONNX model was"))?;
        let window = window(&model).map_err(unsuitable("one input f32 [1, 2 to 4096] was"))?;
        check_outputs(&model)
            .map_err(unsuitable("a score and at most an expected value, each f32 [1, 1], were"))?;
        let plan = model.into_runnable().map_err(reason).map_err(unsuitable("a model that can run was"))?;
        let model = Self { file: file.to_owned(), window, plan };
        model.run(&vec![0.0; window]).map_err(unsuitable("a model that runs over zeros was"))?;
        Ok(model)
    }

    /// The file.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Values that the model looks at.
    #[must_use]
    pub fn window(&self) -> usize {
        self.window
    }

    /// Score and expected value.
    fn run(&self, values: &[f32]) -> Result<(f64, Option<f64>), String> {
        let input = Tensor::from_shape(&[1, values.len()], values).map_err(reason)?;
        let outputs = self.plan.run(tvec!(input.into())).map_err(reason)?;
        let mut numbers = outputs.iter().map(|output| {
            let number = output.try_as_plain_ram().and_then(|plain| plain.to_scalar::<f32>().copied());
            number.map(f64::from).map_err(reason)
        });
        let score = numbers.next().ok_or("there is no output")??;
        Ok((score, numbers.next().transpose()?))
    }
}

/// An error with all of its causes.
#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn reason(error: TractError) -> String {
    format!("{error:#}")
}

/// The window of the only input, or what there is instead.
fn window(model: &TypedModel) -> Result<usize, String> {
    let [input] = model.inputs.as_slice() else {
        return Err(format!("there are {} inputs", model.inputs.len()));
    };
    let fact = model.outlet_fact(*input).map_err(reason)?;
    let found = || format!("the input is {fact:?}");
    let shape = fact.shape.as_concrete().ok_or_else(found)?;
    match *shape {
        [1, window] if fact.datum_type == f32::datum_type() && (2..=WINDOW_MAX).contains(&window) => {
            Ok(window)
        }
        _ => Err(found()),
    }
}

/// Tells what is wrong with the outputs.
fn check_outputs(model: &TypedModel) -> Result<(), String> {
    if !(1..=2).contains(&model.outputs.len()) {
        return Err(format!("there are {} outputs", model.outputs.len()));
    }
    for (number, output) in model.outputs.iter().enumerate() {
        let fact = model.outlet_fact(*output).map_err(reason)?;
        if fact.datum_type != f32::datum_type() || fact.shape.as_concrete() != Some(&[1, 1]) {
            return Err(format!("output {} is {fact:?}", number + 1));
        }
    }
    Ok(())
}

/// Settings of an [`Onnx`].
#[derive(Clone, Debug)]
pub struct OnnxSettings {
    /// What runs.
    pub model: OnnxModel,
    /// Whether each window is standardised by the median and the median absolute deviation of its
    /// values but the newest.
    pub standardise: bool,
}

/// What an [`Onnx`] says of a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OnnxReading {
    /// How unusual, 0 or more.
    pub score: f64,
    /// Expected value, if the model expects one.
    pub expected: Option<f64>,
}

/// The user's own model over one series.
#[derive(Clone, Debug)]
pub struct Onnx {
    settings: OnnxSettings,
    values: Newest,
}

impl Onnx {
    /// The next value; one beyond 1e150 is absent. None until there is a window, and where the
    /// model gives a score that is negative or not finite.
    pub fn update(&mut self, value: f64) -> Option<OnnxReading> {
        if value.is_nan() || value.abs() > 1e150 {
            return None;
        }
        let reading = if self.values.is_full() { self.read(value) } else { None };
        self.values.push(value);
        reading
    }

    #[expect(clippy::cast_possible_truncation, reason = "the model is of single precision")]
    fn read(&self, value: f64) -> Option<OnnxReading> {
        let before = self.values.values();
        let unit = if self.settings.standardise { Unit::of(before) } else { Unit::ONE };
        let scale = |value: f64| ((value - unit.origin) / unit.length) as f32;
        let window: Vec<f32> = before.iter().copied().chain([value]).map(scale).collect();
        let (score, expected) = self.settings.model.run(&window).ok()?;
        let expected = expected.map(|expected| unit.origin + expected * unit.length);
        let usable = score >= 0.0 && score.is_finite() && expected.is_none_or(f64::is_finite);
        usable.then_some(OnnxReading { score, expected })
    }
}

impl Model for Onnx {
    const TABLE: &'static str = "detectors.onnx";
    const VERSION: u16 = 1;
    type Settings = OnnxSettings;

    /// A model is of one series: there is one channel, whatever is said.
    fn empty(settings: &OnnxSettings, _channels: usize) -> Self {
        Self { settings: settings.clone(), values: Newest::new(settings.model.window() - 1) }
    }

    fn channels(&self) -> usize {
        1
    }

    fn save(&self, numbers: &mut Vec<f64>) {
        self.values.save(numbers);
    }

    fn load(&mut self, numbers: &mut Numbers<'_>) -> Option<()> {
        self.values.load(numbers)
    }
}

impl SeriesModel for Onnx {
    const SPEC: Spec = Spec {
        name: "onnx",
        sees: "what the user's own model does",
        formula: "first output of an ONNX model over the newest values",
        source: "the user",
        parameters: &[],
        state_version: Self::VERSION,
        warmup_ticks: 128,
        bytes_per_series: modelled::BYTES + size_of::<Self>() + WINDOW_MAX * size_of::<f64>(),
        on_by_default: false,
    };

    fn update(&mut self, value: f64, _: Timestamp, _: bool) -> Option<Reading> {
        let OnnxReading { score, expected } = self.update(value)?;
        Some(Reading { score, expected: expected.unwrap_or(f64::NAN), unit: f64::NAN })
    }
}
