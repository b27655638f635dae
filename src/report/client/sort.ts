// Tables sort by a click on a column's head: numbers largest first, names from A; a second click turns the order.

export function sortTables(): void {
  for (const table of document.querySelectorAll<HTMLTableElement>('table.sortable')) {
    const body = table.tBodies[0];
    const heads = [...table.tHead!.rows[0].cells];
    table.tHead!.addEventListener('click', (event) => {
      const button = (event.target as Element).closest<HTMLElement>('[data-sort]');
      if (!button) return;
      const column = Number(button.dataset.sort);
      const head = heads[column];
      const value = (row: HTMLTableRowElement): string => row.cells[column].dataset.v ?? '';
      const descending = head.ariaSort ? head.ariaSort === 'ascending' : column > 0;
      const rows = [...body.rows].sort((a, b) =>
        column ? Number(value(a)) - Number(value(b)) : value(a).localeCompare(value(b)),
      );
      for (const h of heads) h.ariaSort = null;
      head.ariaSort = descending ? 'descending' : 'ascending';
      body.append(...(descending ? rows.reverse() : rows));
    });
  }
}
