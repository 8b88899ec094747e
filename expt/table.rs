//! Lays a report out as the table that a person reads at the end of a run.

use std::fmt::Write as _;

use serde_json::Value;

/// The report of a run on a deep linear network, in lines of at most about 100 columns.
pub fn render(report: &Value) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write(&mut out, report);
    out
}

fn write(out: &mut String, report: &Value) -> std::fmt::Result {
    let number = |path: &str| report.pointer(path).and_then(Value::as_f64).unwrap_or(f64::NAN);
    let text = |path: &str| report.pointer(path).and_then(Value::as_str).unwrap_or("");
    let list = |path: &str| report.pointer(path).and_then(Value::as_array).cloned().unwrap_or_default();
    let numbers = |path: &str| list(path).iter().map(|x| x.as_f64().unwrap_or(f64::NAN)).collect::<Vec<_>>();
    let network: Vec<String> = list("/network").iter().map(Value::to_string).collect();
    let digits = decimals(number("/llc/mcse"));
    writeln!(out)?;
    writeln!(out, "{:<16}{}   d = {}", "network", network.join(" → "), number("/d"))?;
    writeln!(out, "{:<16}{}, rank {}", "truth", text("/truth"), number("/rank_true"))?;
    writeln!(
        out,
        "{:<16}n = {}   nβ = {:.6}   γ = {}",
        "posterior",
        number("/n"),
        number("/n_beta"),
        number("/gamma")
    )?;
    writeln!(
        out,
        "{:<16}{}, {} chains × {} draws, the first {} warm-up; {} at {:.0} steps/s",
        "sampler",
        text("/sampler"),
        number("/num_chains"),
        number("/num_draws"),
        number("/num_warmup"),
        duration(number("/timing/sampling_s")),
        number("/timing/steps_per_s")
    )?;
    let epsilon = numbers("/epsilon");
    if !epsilon.is_empty() {
        let shown: Vec<String> = epsilon.iter().take(4).map(|epsilon| format!("{epsilon:.3e}")).collect();
        writeln!(out, "{:<16}{}", "ε", shown.join("  "))?;
    }
    writeln!(out)?;
    let interval = numbers("/llc/ci90");
    writeln!(
        out,
        "{:<16}{:.digits$} ± {:.digits$}   90 % interval [{:.digits$}, {:.digits$}]",
        "λ̂",
        number("/llc/mean"),
        number("/llc/mcse"),
        interval.first().unwrap_or(&f64::NAN),
        interval.get(1).unwrap_or(&f64::NAN)
    )?;
    let bounds = numbers("/lambda_bounds");
    let kind = if report["lambda_true_is_local"] == Value::Bool(true) {
        format!("exact, multiplicity {}", number("/multiplicity"))
    } else {
        format!("Aoyagi's, a lower bound here; at w* between {} and {}", bounds[0], bounds[1])
    };
    writeln!(
        out,
        "{:<16}{} ({kind}); λ̂ is {:+.2} % off",
        "λ",
        text("/lambda_true_exact"),
        100.0 * number("/relative_error")
    )?;
    let chains = numbers("/llc/per_chain");
    let shown: Vec<String> = chains.iter().take(8).map(|llc| format!("{llc:.digits$}")).collect();
    writeln!(out, "{:<16}{}", "chains", shown.join("  "))?;
    let diagnostic = |name: &str| number(&format!("/diagnostics/{name}"));
    write!(
        out,
        "{:<16}R-hat {:.3}   ESS bulk {:.0} tail {:.0}",
        "diagnostics",
        diagnostic("rhat"),
        diagnostic("ess_bulk"),
        diagnostic("ess_tail")
    )?;
    if diagnostic("acceptance").is_finite() {
        write!(out, "   acceptance {:.3}", diagnostic("acceptance"))?;
    }
    writeln!(out)?;
    writeln!(
        out,
        "{:<16}variance ratio {:.3} ± {:.3}   virial {:.3} ± {:.3}   radius {:.3}",
        "",
        diagnostic("variance_ratio"),
        diagnostic("variance_ratio_mcse"),
        diagnostic("virial"),
        diagnostic("virial_mcse"),
        diagnostic("radius")
    )?;
    if report["localisation_check"].is_object() {
        writeln!(
            out,
            "{:<16}at γ = {}: λ̂ = {:.digits$} ± {:.digits$}",
            "localisation",
            number("/localisation_check/gamma"),
            number("/localisation_check/llc"),
            number("/localisation_check/mcse")
        )?;
    }
    writeln!(out)?;
    let reasons: Vec<String> = list("/reasons").iter().filter_map(|r| r.as_str().map(str::to_owned)).collect();
    let because = if reasons.is_empty() { String::new() } else { format!(": {}", reasons.join(", ")) };
    writeln!(out, "{:<16}{}{because}", "verdict", text("/verdict"))?;
    for line in list("/explanations").iter().chain(&list("/notes")) {
        writeln!(out, "{:<16}- {}", "", line.as_str().unwrap_or_default())?;
    }
    let (dir, status) = (text("/run_dir"), text("/status"));
    if !dir.is_empty() {
        writeln!(out, "{:<16}{dir} ({status})", "record")?;
    }
    Ok(())
}

/// Decimals that show an error to two significant digits.
fn decimals(error: f64) -> usize {
    if error > 0.0 && error.is_finite() { (1.0 - error.log10().floor()).clamp(0.0, 12.0) as usize } else { 3 }
}

/// A duration in words: "48 s", "3 min", "2 h 10 min".
pub fn duration(seconds: f64) -> String {
    match seconds {
        s if !s.is_finite() => "an unknown time".to_owned(),
        s if s < 10.0 => format!("{s:.1} s"),
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7200.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.0} h {:.0} min", (s / 3600.0).floor(), (s % 3600.0) / 60.0),
    }
}
