"use strict";
// Draws each chart from the numbers in its data. The table below it has the same ones.
(() => {
  const charts = [...document.querySelectorAll("[data-chart]")];
  // A canvas knows no variables of the style sheet: the browser says what they are now.
  const probe = document.createElement("span");
  probe.hidden = true;
  document.body.append(probe);
  const colour = (name) => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };

  // The hour, as all other times are written, with the day at the first one and at midnight.
  const times = (_plot, splits, _axis, _space, step) =>
    splits.map((seconds, place) => {
      const [date, time] = new Date(seconds * 1000).toISOString().split("T");
      const [day, hour] = [date.slice(5), time.slice(0, 5)];
      if (step >= 86400) return day;
      return place === 0 || hour === "00:00" ? `${hour}\n${day}` : hour;
    });

  const draw = (place) => {
    const chart = JSON.parse(place.dataset.chart);
    const [ink, line] = [colour("quiet"), colour("line")];
    const axis = { stroke: ink, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 } };
    // A line has two ends: a number alone is drawn as a point.
    const isAlone = (values) => values.filter((value) => value !== null).length < 2;
    const series = chart.series.map((one) => ({
      label: one.label,
      stroke: colour(`series-${one.colour}`),
      width: 2,
      dash: one.dashed ? [6, 4] : undefined,
      spanGaps: true,
      points: { show: isAlone(one.values) || undefined },
    }));
    const options = {
      width: place.clientWidth,
      height: 240,
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
      cursor: { drag: { x: false, y: false } },
      scales: { y: { range: (_, least, most) => [0, Math.max(most ?? 0, 1) * 1.05] } },
      axes: [{ ...axis, values: times }, { ...axis, size: 60 }],
      series: [{ label: chart.time, value: "{YYYY}-{MM}-{DD} {HH}:{mm}" }, ...series],
    };
    const data = [chart.times, ...chart.series.map((one) => one.values)];
    return new uPlot(options, data, place);
  };

  const drawn = new Map();
  const drawAll = () => {
    for (const place of charts) {
      drawn.get(place)?.destroy();
      place.hidden = false;
      drawn.set(place, draw(place));
    }
  };
  drawAll();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  const resized = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      const plot = drawn.get(target);
      if (plot && plot.width !== target.clientWidth) plot.setSize({ width: target.clientWidth, height: 240 });
    }
  });
  for (const place of charts) resized.observe(place);
})();
