//! A table that fits the terminal: it drops columns instead of wrapping them.

use super::screen::{Colour, Screen};

/// Between two columns.
const GAP: usize = 2;
/// A name is not cut to less than this.
const NAME_MIN: usize = 8;

/// One column.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    /// Its title.
    title: &'static str,
    /// Numbers are aligned right.
    right: bool,
    /// The column with the highest number is dropped first; one with 0 never is.
    drop: u8,
}

/// A column of text.
pub(super) const fn text(title: &'static str, drop: u8) -> Column {
    Column { title, right: false, drop }
}

/// A column of numbers.
pub(super) const fn number(title: &'static str, drop: u8) -> Column {
    Column { title, right: true, drop }
}

/// One cell, and the colour of its state.
#[derive(Clone, Debug, Default)]
pub(super) struct Cell {
    text: String,
    colour: Option<Colour>,
}

impl Cell {
    /// A cell with a state.
    pub(super) fn painted(text: impl Into<String>, colour: Colour) -> Self {
        Cell { text: text.into(), colour: Some(colour) }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Cell { text: text.into(), colour: None }
    }
}

/// A table with a head.
#[derive(Debug)]
pub(super) struct FittedTable {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

impl FittedTable {
    /// Without rows.
    pub(super) fn new(columns: impl Into<Vec<Column>>) -> Self {
        FittedTable { columns: columns.into(), rows: Vec::new() }
    }

    /// Adds a row, with one cell for each column.
    pub(super) fn row(&mut self, cells: impl Into<Vec<Cell>>) {
        self.rows.push(cells.into());
    }

    /// The head and the rows as lines of at most the screen's width. A column without any text is left out.
    pub(super) fn lines(mut self, screen: &Screen) -> Vec<String> {
        for cell in self.rows.iter_mut().flatten() {
            cell.text = screen.printable(&cell.text);
        }
        let mut shown: Vec<_> = (0..self.columns.len())
            .filter(|column| self.rows.iter().any(|row| !row[*column].text.is_empty()))
            .collect();
        if let Some(most) = screen.table_columns() {
            self.fit(&mut shown, most, screen.utf8);
        }
        let widths: Vec<_> = shown.iter().map(|column| self.width(*column)).collect();
        let head = self.columns.iter().map(|column| Cell::from(column.title.to_uppercase())).collect::<Vec<_>>();
        std::iter::once(&head).chain(&self.rows).map(|row| self.line(row, &shown, &widths, screen)).collect()
    }

    /// Drops columns until the rest has at most `most` characters a line; at last the names are cut.
    fn fit(&mut self, shown: &mut Vec<usize>, most: usize, utf8: bool) {
        let total = |table: &Self, shown: &[usize]| -> usize {
            shown.iter().map(|column| table.width(*column)).sum::<usize>() + GAP * shown.len().saturating_sub(1)
        };
        while total(self, shown) > most {
            let last = shown.iter().copied().filter(|column| self.columns[*column].drop > 0);
            let Some(last) = last.max_by_key(|column| self.columns[*column].drop) else { break };
            shown.retain(|column| *column != last);
        }
        let excess = total(self, shown).saturating_sub(most);
        let Some(names) = shown.first().copied().filter(|_| excess > 0) else { return };
        let width = self.width(names).saturating_sub(excess).max(NAME_MIN);
        let dots = if utf8 { "…" } else { "..." };
        for cell in self.rows.iter_mut().map(|row| &mut row[names]) {
            if cell.text.chars().count() > width {
                cell.text = cell.text.chars().take(width - dots.chars().count()).chain(dots.chars()).collect();
            }
        }
    }

    fn width(&self, column: usize) -> usize {
        let cells = self.rows.iter().map(|row| row[column].text.chars().count()).max().unwrap_or(0);
        cells.max(self.columns[column].title.chars().count())
    }

    fn line(&self, row: &[Cell], shown: &[usize], widths: &[usize], screen: &Screen) -> String {
        let mut line = String::new();
        for (place, (column, width)) in shown.iter().zip(widths).enumerate() {
            let cell = &row[*column];
            let blanks = " ".repeat(width.saturating_sub(cell.text.chars().count()));
            let painted = cell.colour.map_or_else(|| cell.text.clone(), |colour| screen.paint(&cell.text, colour));
            let gap = if place == 0 { 0 } else { GAP };
            line.extend(std::iter::repeat_n(' ', gap));
            let (before, after) =
                if self.columns[*column].right { (blanks.as_str(), "") } else { ("", blanks.as_str()) };
            line.extend([before, &painted, after]);
        }
        line.truncate(line.trim_end().len());
        line
    }
}
