//! The table that is printed.

use std::time::Duration;

/// Rows, and whether all were within their budget.
#[derive(Default)]
pub struct Table {
    lines: Vec<String>,
    missed: usize,
}

impl Table {
    /// A time against its floor's.
    pub fn row(&mut self, what: &str, floor_name: &str, [time, floor]: [Duration; 2], budget: f64) {
        let ratio = time.as_secs_f64() / floor.as_secs_f64();
        let verdict = self.verdict(ratio <= budget);
        self.add(format!(
            "{verdict} {what}: {time:.1?}, {ratio:.2} × {floor_name} ({floor:.1?}); budget {budget} ×"
        ));
    }

    /// A rate against its floor: more is better.
    pub fn rate(&mut self, what: &str, rate: f64, floor: f64, budget: Option<f64>) {
        self.rate_against(what, rate, "a bare warp server", floor, budget);
    }

    /// [`Table::rate`] against another floor.
    pub fn rate_against(&mut self, what: &str, rate: f64, floor_name: &str, floor: f64, budget: Option<f64>) {
        let ratio = rate / floor;
        let verdict = self.verdict(budget.is_none_or(|budget| ratio >= budget));
        let budget = budget.map_or("no budget".to_owned(), |budget| format!("budget {budget} ×"));
        self.add(format!(
            "{verdict} {what}: {rate:.0}/s, {ratio:.2} × {floor_name} ({floor:.0}/s); {budget}"
        ));
    }

    /// A line beside the rows.
    pub fn note(&mut self, text: &str) {
        self.add(format!("       {text}"));
    }

    /// A number against its limit.
    pub fn limit(&mut self, what: &str, found: f64, limit: f64) {
        let verdict = self.verdict(found <= limit);
        self.add(format!("{verdict} {what}: {found:.2}; budget {limit}"));
    }

    /// A time against a floor, for comparison only.
    pub fn compared(&mut self, what: &str, [time, floor]: [Duration; 2]) {
        let ratio = time.as_secs_f64() / floor.as_secs_f64();
        self.add(format!(
            "       {what}: {time:.1?}, {ratio:.2} × a program that reads a file ({floor:.1?})"
        ));
    }

    /// Rows that cannot be had here.
    pub fn skipped(&mut self, what: &str) {
        self.add(format!("skipped {what}"));
    }

    fn verdict(&mut self, good: bool) -> &'static str {
        self.missed += usize::from(!good);
        if good { "met   " } else { "MISSED" }
    }

    fn add(&mut self, line: String) {
        println!("{line}");
        self.lines.push(line);
    }

    /// The closing line; whether all budgets were met.
    pub fn print(&self) -> bool {
        println!("{} rows, {} missed", self.lines.len(), self.missed);
        self.missed == 0
    }
}
