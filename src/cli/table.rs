//! Tables for people: a header, columns two blanks apart, no lines.

use comfy_table::{Cell, Table as Grid, presets};

use super::{
    failure::Failure,
    ui::{Ui, clean},
};

/// A table that is being filled.
pub struct Table {
    grid: Grid,
}

impl Table {
    /// With these column titles, in capitals as in Docker's tables.
    pub fn new(titles: &[&str]) -> Self {
        let mut grid = Grid::new();
        grid.load_style(presets::NOTHING);
        grid.set_header(titles.iter().map(Cell::new).collect::<Vec<_>>());
        for column in grid.column_iter_mut() {
            column.set_padding((0, 2));
        }
        Table { grid }
    }

    pub fn row<T: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = T>) {
        let cells: Vec<Cell> =
            cells.into_iter().map(|cell| Cell::new(clean(cell.as_ref()))).collect();
        self.grid.add_row(cells);
    }

    /// # Errors
    /// As [`Ui::out`].
    pub fn print(&self, ui: &Ui) -> Result<(), Failure> {
        ui.out_lines(self.grid.trim_fmt())
    }
}
