//! Pressure stall information: the time that work stood still for want of a resource
//! (Linux 4.20 and later, `Documentation/accounting/psi.rst`).

use std::{fs, path::Path};

use super::readings::Readings;

/// Tells the stall times, where the kernel keeps them.
pub(super) fn read(folder: &Path, readings: &mut Readings<'_>) {
    for resource in ["cpu", "io", "memory"] {
        let Ok(text) = fs::read_to_string(folder.join(resource)) else { continue };
        for (kind, seconds) in stalls(&text) {
            let labels = [("system.linux.pressure.resource", resource), ("system.linux.pressure.kind", kind)];
            readings.counter("system.linux.pressure.time", "s", &labels, seconds);
        }
    }
}

/// `some` (one task or more waited) and `full` (all did), seconds since the machine started.
fn stalls(text: &str) -> impl Iterator<Item = (&str, f64)> {
    text.lines().filter_map(|line| {
        let (kind, rest) = line.split_once(' ')?;
        let total = rest.split(' ').find_map(|field| field.strip_prefix("total="))?;
        Some((kind, total.parse::<u64>().ok()? as f64 / 1e6))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_form_that_the_kernel_documents() {
        let text = "some avg10=98.90 avg60=89.59 avg300=56.85 total=1535038667\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n";
        assert_eq!(stalls(text).collect::<Vec<_>>(), [("some", 1_535.038_667), ("full", 0.0)]);
        assert_eq!(stalls("nonsense\nsome total=x\n\n").count(), 0);
    }
}
