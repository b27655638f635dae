// The script of the HTML report.

import type { ReportData } from '../html.ts';
import { drawCharts } from './charts.ts';
import { sortTables } from './sort.ts';
import { enlargeShots } from './viewer.ts';

const data = JSON.parse(document.getElementById('data')!.textContent) as ReportData;
sortTables();
drawCharts(data);
enlargeShots(data);
