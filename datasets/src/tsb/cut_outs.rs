//! The series of TSB-AD that can be made from NAB and SMD exactly.
//!
//! A NAB series of TSB-AD-U is the file without its first row, a row labelled if its time is
//! after the start of a window and not after its end. An SMD series of TSB-AD-M is the test
//! file of a machine as it is. TSB-AD's rules let a method warm up on the first `tr` rows of
//! the same file; the official training part is not used.
//!
//! Source: TheDatumOrg/TSB-AD at 87630099. The series were recognised by the published
//! VUS-PR of public methods, which comes out the same to five digits.

use crate::{ReadError, nab::Corpus};

use super::recording::Recording;

/// Name in TSB-AD, and the file that it is made from.
pub type CutOut = (&'static str, &'static str);

/// Of TSB-AD-U, made from NAB.
pub const NAB: [CutOut; 14] = [
    ("001_NAB_id_1_Facility_tr_1007_1st_2014", "realKnownCause/ec2_request_latency_system_failure.csv"),
    ("005_NAB_id_5_Traffic_tr_594_1st_1645", "realTraffic/occupancy_6005.csv"),
    ("006_NAB_id_6_Traffic_tr_2579_1st_5839", "realKnownCause/nyc_taxi.csv"),
    ("008_NAB_id_8_Synthetic_tr_1007_1st_2734", "artificialWithAnomaly/art_load_balancer_spikes.csv"),
    ("009_NAB_id_9_Traffic_tr_500_1st_438", "realTraffic/TravelTime_451.csv"),
    ("013_NAB_id_13_Traffic_tr_623_1st_2084", "realTraffic/speed_t4013.csv"),
    ("014_NAB_id_14_WebService_tr_500_1st_1045", "realAdExchange/exchange-3_cpm_results.csv"),
    ("016_NAB_id_16_Environment_tr_1816_1st_3540", "realKnownCause/ambient_temperature_system_failure.csv"),
    ("017_NAB_id_17_Synthetic_tr_1007_1st_1805", "artificialWithAnomaly/art_increase_spike_density.csv"),
    ("018_NAB_id_18_Facility_tr_500_1st_669", "realKnownCause/rogue_agent_key_hold.csv"),
    ("019_NAB_id_19_Facility_tr_1007_1st_1171", "realAWSCloudwatch/ec2_cpu_utilization_5f5533.csv"),
    ("023_NAB_id_23_Facility_tr_4512_1st_16551", "realKnownCause/cpu_utilization_asg_misconfiguration.csv"),
    ("025_NAB_id_25_WebService_tr_3958_1st_4614", "realTweets/Twitter_volume_FB.csv"),
    ("026_NAB_id_26_Traffic_tr_624_1st_2261", "realTraffic/speed_6005.csv"),
];

/// Of TSB-AD-M, made from SMD.
pub const SMD: [CutOut; 3] = [
    ("057_SMD_id_1_Facility_tr_4529_1st_4629", "machine-1-2"),
    ("065_SMD_id_9_Facility_tr_737_1st_837", "machine-1-7"),
    ("073_SMD_id_17_Facility_tr_5926_1st_10620", "machine-1-5"),
];

/// What a name in TSB-AD's form tells: `NUMBER_SET_id_K_DOMAIN_tr_ROWS_1st_ROW`.
pub(super) struct NameParts<'a> {
    /// Domain, such as `Facility`; none if the name has another form.
    pub(super) domain: Option<&'a str>,
    /// Rows of the warm-up.
    pub(super) warmup: Option<usize>,
}

pub(super) fn name_parts(name: &str) -> NameParts<'_> {
    let parts: Vec<&str> = name.split('_').collect();
    let after = |word: &str| parts.iter().position(|part| *part == word).and_then(|at| parts.get(at + 1));
    let domain = match parts.iter().position(|part| *part == "id") {
        Some(at) if parts.get(at + 3) == Some(&"tr") => parts.get(at + 2).copied(),
        _ => None,
    };
    NameParts { domain, warmup: after("tr").and_then(|rows| rows.parse().ok()) }
}

/// The 14 series of TSB-AD-U, in the order of [`NAB`].
///
/// # Errors
/// If the corpus lacks a file.
pub fn from_nab(corpus: &Corpus) -> Result<Vec<Recording>, ReadError> {
    let make = |(name, source): &CutOut| {
        let found = corpus.files.iter().find(|file| file.layout.name == *source);
        let file = found.ok_or_else(|| missing(name, source))?;
        let labelled =
            |row: usize| file.layout.windows.iter().any(|window| window.first < row && row <= window.last);
        Ok(labelled_recording(
            name,
            file.times[1..].to_vec(),
            vec![file.values[1..].to_vec()],
            (1..file.values.len()).map(labelled).collect(),
        ))
    };
    NAB.iter().map(make).collect()
}

/// The 3 series of TSB-AD-M, in the order of [`SMD`].
///
/// # Errors
/// If a machine is missing.
pub fn from_smd(machines: &[Recording]) -> Result<Vec<Recording>, ReadError> {
    let make = |(name, source): &CutOut| {
        let found = machines.iter().find(|machine| machine.name == *source);
        let machine = found.ok_or_else(|| missing(name, source))?;
        let (times, channels) = (machine.times.clone(), machine.channels.clone());
        Ok(labelled_recording(name, times, channels, machine.labels.clone()))
    };
    SMD.iter().map(make).collect()
}

fn missing(name: &str, source: &str) -> ReadError {
    ReadError::malformed(source.as_ref(), None, format!("it is missing; TSB-AD's {name} is made from it"))
}

fn labelled_recording(
    name: &str,
    times: Vec<theriac_contract::Timestamp>,
    channels: Vec<Vec<f64>>,
    labels: Vec<bool>,
) -> Recording {
    let parts = name_parts(name);
    Recording {
        name: name.to_owned(),
        category: parts.domain.unwrap_or_default().to_owned(),
        times,
        channels,
        labels,
        warmup: parts.warmup.unwrap_or(0),
        history: Vec::new(),
    }
}
