//! What others reached on these cases, in per cent of cases: as the paper and the authors' result
//! logs have it.

/// One row: a method on a part of the data.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    /// Method.
    pub method: &'static str,
    /// AS@1, AS@3 and AS@5: the pod.
    pub service: [f64; 3],
    /// AIS@1, AIS@3 and AIS@5: the pod, and the resource or region of the code; where published.
    pub inner: Option<[f64; 3]>,
}

const fn row(method: &'static str, service: [f64; 3], inner: Option<[f64; 3]>) -> Row {
    Row { method, service, inner }
}

/// All 45 cases of TrainTicket: tables 3 and 4 of the paper.
pub const TRAIN_TICKET: [Row; 6] = [
    row("Nezha", [86.67, 97.78, 97.78], Some([86.67, 97.78, 97.78])),
    row("Nezha without logs", [42.22, 44.44, 44.44], None),
    row("Nezha without metrics", [55.56, 62.22, 68.89], None),
    row("MicroRCA", [20.00, 31.11, 44.44], None),
    row("MicroRank", [15.56, 24.44, 35.56], None),
    row("PDiagnose", [8.89, 13.33, 22.22], Some([8.89, 13.33, 15.56])),
];

/// All 56 cases of OnlineBoutique: tables 3 and 4 of the paper.
pub const ONLINE_BOUTIQUE: [Row; 6] = [
    row("Nezha", [92.86, 96.43, 96.43], Some([92.86, 96.43, 96.43])),
    row("Nezha without logs", [64.28, 64.28, 64.28], None),
    row("Nezha without metrics", [26.78, 33.92, 35.71], None),
    row("PDiagnose", [41.07, 73.21, 82.14], Some([35.71, 53.57, 71.42])),
    row("MicroRank", [41.07, 48.21, 62.5], None),
    row("MicroRCA", [16.07, 62.5, 92.75], None),
];
