// Draws every panel of the dashboard where it stands, by Grafana's own components, from `data.json` beside it.
import { createTheme, dateTime, EventBusSrv, FieldType, getDisplayProcessor, ThemeContext, toDataFrame } from '@grafana/data';
import { BarGauge, BigValue, GlobalStyles, PanelChrome, PanelContextProvider, Table, TimeSeries } from '@grafana/ui';
import React from 'react';
import { createRoot } from 'react-dom/client';

const theme = createTheme({ colors: { mode: 'dark' } });
const column = 62;
const line = 34;
const gap = 8;

const legend = (format, labels) => format.replaceAll(/\{\{(\w+)\}\}/g, (_, label) => labels[label] ?? '');

/** One frame a series, as the Prometheus data source makes them. */
function frames(panel, answers) {
  return panel.targets.flatMap((target, index) => {
    const { resultType, result } = answers[index];
    const points = (series) => (resultType === 'matrix' ? series.values : [series.value]);
    return result.map((series) => {
      const name = legend(target.legendFormat, series.metric);
      return toDataFrame({
        refId: target.refId,
        name,
        fields: [
          { name: 'Time', type: FieldType.time, values: points(series).map(([time]) => time * 1000) },
          {
            name: 'Value', type: FieldType.number, labels: series.metric,
            values: points(series).map(([, value]) => Number(value)), config: { displayNameFromDS: name },
          },
        ],
      });
    });
  });
}

/** Instant queries in table form: a row a series, a column a label; several queries are merged by their labels. */
function table(panel, answers) {
  if (answers.length > 1) { return merged(panel, answers); }
  const [{ result }] = answers;
  const organize = panel.transformations?.find(({ id }) => id === 'organize')?.options ?? {};
  const { excludeByName = {}, renameByName = {}, indexByName = {} } = organize;
  const labels = [...new Set(result.flatMap((series) => Object.keys(series.metric)))].filter((label) => !excludeByName[label]);
  labels.sort((a, b) => (indexByName[a] ?? 99) - (indexByName[b] ?? 99));
  const fields = labels.map((label) => ({
    name: renameByName[label] ?? label, type: FieldType.string, config: {}, values: result.map((series) => series.metric[label] ?? ''),
  }));
  if (!excludeByName.Value) {
    fields.push({
      name: renameByName.Value ?? 'Value', type: FieldType.number, config: {}, values: result.map((series) => Number(series.value[1])),
    });
  }
  return [toDataFrame({ fields })];
}

function merged(panel, answers) {
  const { renameByName, indexByName } = panel.transformations.find(({ id }) => id === 'organize').options;
  const rows = new Map();
  answers.forEach(({ result }, index) => result.forEach(({ metric, value }) => {
    const key = JSON.stringify(metric);
    rows.set(key, { ...metric, ...rows.get(key), [`Value #${panel.targets[index].refId}`]: Number(value[1]) });
  }));
  const names = Object.keys(indexByName).filter((name) => [...rows.values()].some((row) => name in row));
  return [toDataFrame({
    fields: names.map((name) => ({
      name: renameByName[name] ?? name, type: name in renameByName ? FieldType.number : FieldType.string, config: {},
      values: [...rows.values()].map((row) => row[name] ?? null),
    })),
  })];
}

const matches = (matcher, field, frame) => {
  if (matcher.id === 'byName') { return (field.config.displayNameFromDS ?? field.name) === matcher.options; }
  const name = field.config.displayNameFromDS ?? field.name;
  return matcher.id === 'byRegexp' && field.type === FieldType.number && new RegExp(matcher.options.slice(1, -1)).test(name);
};

function put(config, path, value) {
  const keys = path.split('.');
  const last = keys.pop();
  let at = config;
  for (const key of keys) { at[key] = { ...at[key] }; at = at[key]; }
  at[last] = value;
}

/** Field defaults and overrides, as Grafana applies them. */
function configured(panel, made) {
  const { defaults, overrides } = panel.fieldConfig;
  let series = 0;
  return made.map((frame) => ({
    ...frame,
    fields: frame.fields.map((field) => {
      if (field.type === FieldType.time) { return { ...field, config: {}, display: getDisplayProcessor({ field, theme, timeZone: 'utc' }) }; }
      const config = { ...structuredClone(defaults), ...field.config };
      for (const { matcher, properties } of overrides) {
        if (matches(matcher, field, frame)) { for (const { id, value } of properties) { put(config, id, value); } }
      }
      const state = { seriesIndex: series++ };
      const done = { ...field, config, state };
      done.display = getDisplayProcessor({ field: done, theme, timeZone: 'utc' });
      return done;
    }),
  }));
}

function Stats({ panel, data, width, height }) {
  const values = data.flatMap((frame) => frame.fields.filter(({ type }) => type === FieldType.number).map((field) => {
    const value = field.display(field.values[field.values.length - 1]);
    return { ...value, title: field.config.displayNameFromDS };
  }));
  if (values.length === 0) { return <Empty panel={panel} />; }
  const { colorMode, graphMode, justifyMode, textMode } = panel.options;
  return (
    <div style={{ display: 'flex', gap: 4 }}>
      {values.map((value) => (
        <BigValue key={value.title} value={value} width={width / values.length - 4} height={height} theme={theme}
          colorMode={colorMode} graphMode={graphMode} justifyMode={justifyMode} textMode={textMode} />
      ))}
    </div>
  );
}

function Bars({ panel, data, width, height }) {
  const fields = data.flatMap((frame) => frame.fields.filter(({ type }) => type === FieldType.number));
  const max = Math.max(...fields.map((field) => field.values[0]));
  const each = Math.max(14, Math.min(24, height / Math.max(fields.length, 1)));
  if (fields.length === 0) { return <Empty panel={panel} />; }
  return fields.map((field) => {
    const config = { ...field.config, min: 0, max };
    const display = getDisplayProcessor({ field: { ...field, config }, theme, timeZone: 'utc' });
    const value = { ...display(field.values[0]), title: field.config.displayNameFromDS };
    return (
      <BarGauge key={value.title} value={value} field={config} display={display} width={width} height={each} theme={theme}
        orientation={panel.options.orientation} displayMode={panel.options.displayMode} showUnfilled={false} text={{ titleSize: 11, valueSize: 12 }} />
    );
  });
}

/** Grafana does not export its state timeline: bars of the same colours by CSS. */
function States({ panel, data, width, range }) {
  const [from, to] = [range.from.valueOf(), range.to.valueOf()];
  const colour = (field, value) => theme.visualization.getColorByName(field.display(value).color ?? 'text');
  return data.map((frame) => {
    const [time, field] = frame.fields;
    const step = time.values.length > 1 ? time.values[1] - time.values[0] : 0;
    const at = (moment) => `${(100 * (moment - from)) / (to - from)}%`;
    return (
      <div key={frame.name} style={{ display: 'flex', alignItems: 'center', height: 22, fontSize: 12 }}>
        <span style={{ width: 150, textAlign: 'right', paddingRight: 8 }}>{frame.name}</span>
        <div style={{ position: 'relative', flex: 1, height: 16 }}>
          {time.values.map((moment, index) => (
            <span key={moment} style={{ position: 'absolute', left: at(moment), width: `calc(${at(from + step)} + 0.5px)`, height: 16,
              opacity: 0.7, background: colour(field, field.values[index]) }} />
          ))}
        </div>
      </div>
    );
  });
}

/** Nor its heatmap: a row a bucket, as many probes as the cell is bright. */
function Heat({ data, range, height }) {
  const [from, to] = [range.from.valueOf(), range.to.valueOf()];
  const buckets = data.map((frame) => ({ le: Number(frame.name.replace('+Inf', 'Infinity')), time: frame.fields[0].values, sums: frame.fields[1].values }));
  buckets.sort((a, b) => a.le - b.le);
  const counts = buckets.map(({ sums }, index) => sums.map((sum, at) => Math.max(0, sum - (buckets[index - 1]?.sums[at] ?? 0))));
  const most = Math.max(...counts.flat());
  const shown = buckets.map((bucket, index) => ({ ...bucket, counts: counts[index] })).filter(({ counts: of }) => of.some((count) => count > 0)).reverse();
  const row = (height - 8) / Math.max(shown.length, 1);
  return shown.map(({ le, time, counts: of }) => {
    const width = (100 * (time[1] - time[0])) / (to - from);
    return (
      <div key={le} style={{ display: 'flex', alignItems: 'center', height: row, fontSize: 11 }}>
        <span style={{ width: 60, textAlign: 'right', paddingRight: 6 }}>{le === Infinity ? 'more' : `≤ ${le < 1 ? `${le * 1000} ms` : `${le} s`}`}</span>
        <div style={{ position: 'relative', flex: 1, height: row - 1 }}>
          {of.map((count, index) => count > 0 && (
            <span key={time[index]} style={{ position: 'absolute', left: `${(100 * (time[index] - from)) / (to - from)}%`, width: `calc(${width}% + 0.5px)`, height: row - 1,
              background: `hsl(${230 - 190 * Math.sqrt(count / most)} 85% ${30 + 25 * Math.sqrt(count / most)}%)` }} />
          ))}
        </div>
      </div>
    );
  });
}

const Empty = ({ panel }) => (
  <div style={{ display: 'grid', placeItems: 'center', height: '100%', color: theme.colors.text.secondary }}>
    {panel.fieldConfig.defaults.noValue}
  </div>
);

function Content({ panel, answers, width, height, range }) {
  const data = configured(panel, panel.type === 'table' ? table(panel, answers) : frames(panel, answers));
  if (data.length === 0 || data.every((frame) => frame.fields[0]?.values.length === 0)) { return <Empty panel={panel} />; }
  const given = { panel, data, width, height, range };
  if (panel.type === 'stat') { return <Stats {...given} />; }
  if (panel.type === 'bargauge') { return <Bars {...given} />; }
  if (panel.type === 'heatmap') { return <Heat {...given} />; }
  if (panel.type === 'state-timeline') { return <States {...given} />; }
  if (panel.type === 'table') { return <Table data={data[0]} width={width} height={height} />; }
  return (
    <TimeSeries frames={data} structureRev={1} width={width} height={height} timeRange={range} timeZone="utc" legend={panel.options.legend} />
  );
}

function Panel({ panel, answers, range }) {
  const { x, y, w, h } = panel.gridPos;
  const place = { position: 'absolute', left: x * column, top: y * (line + gap), width: w * column - gap, height: h * (line + gap) - gap };
  if (panel.type === 'row') { return <h2 style={{ ...place, fontSize: 16, margin: 0 }}>{panel.title}</h2>; }
  return (
    <section style={place}>
      <PanelChrome title={panel.title} description={panel.description} width={place.width} height={place.height}>
        {(width, height) => <Content panel={panel} answers={answers} width={width} height={height} range={range} />}
      </PanelChrome>
    </section>
  );
}

const { dashboard, answers, from, to } = await (await fetch('/data.json')).json();
const range = { from: dateTime(from), to: dateTime(to), raw: { from: dateTime(from), to: dateTime(to) } };
const rows = Math.max(...dashboard.panels.map(({ gridPos }) => gridPos.y + gridPos.h));
const context = { eventsScope: 'picture', eventBus: new EventBusSrv() };
createRoot(document.getElementById('root')).render(
  <ThemeContext.Provider value={theme}>
    <GlobalStyles hackNoBackdropBlur={false} isExtensionSidebarOpen={false} />
    <PanelContextProvider value={context}>
      <main style={{ position: 'relative', width: 24 * column, height: rows * (line + gap), margin: 12 }}>
        {dashboard.panels.map((panel) => <Panel key={panel.id} panel={panel} answers={answers[panel.id]} range={range} />)}
      </main>
    </PanelContextProvider>
  </ThemeContext.Provider>,
);
requestAnimationFrame(() => setTimeout(() => { document.body.dataset.drawn = 'yes'; }, 1500));
