// Reads a .heapsnapshot with the loader and the worker of Chrome DevTools, and prints what they make
// of it as JSON, for snapshot_check.py.
//
//     node snapshot_devtools.js PACKAGE FILE
//
// PACKAGE is the unpacked npm package chrome-devtools-frontend@1.0.672485: later ones are no classic
// scripts any more.
'use strict';
const fs = require('fs');
const path = require('path');
const vm = require('vm');

const SCRIPTS = [
  'platform/utilities.js', 'common/UIString.js', 'text_utils/TextUtils.js',
  'heap_snapshot_model/HeapSnapshotModel.js', 'heap_snapshot_worker/HeapSnapshot.js',
  'heap_snapshot_worker/HeapSnapshotLoader.js'
];

const context = vm.createContext({setTimeout, URL, console});
vm.runInContext(
    `var self = globalThis, window = globalThis;
     var HeapSnapshotModel = {}, HeapSnapshotWorker = {}, Common = {}, Platform = {}, TextUtils = {};
     const ls = strings => strings.join('');`,
    context);
for (const script of SCRIPTS) {
  const text = fs.readFileSync(path.join(process.argv[2], 'front_end', script), 'utf8');
  vm.runInContext(text, context, {filename: script});
}

async function read(file) {
  const {HeapSnapshotLoader} = context.HeapSnapshotWorker;
  const loader = new HeapSnapshotLoader({sendEvent: () => {}});
  const text = fs.readFileSync(file, 'utf8');
  const pause = ms => new Promise(resolve => setTimeout(resolve, ms));
  for (let i = 0; i < text.length; i += 1 << 20) {
    loader.write(text.slice(i, i + (1 << 20)));
    await pause(0);
  }
  loader.close();
  await pause(20);
  return loader.buildSnapshot();
}

read(process.argv[3]).then(snapshot => {
  const filter = new context.HeapSnapshotModel.NodeFilter();
  const aggregates = snapshot.aggregatesWithFilter(filter);
  const classes = {};
  for (const name of Object.keys(aggregates)) {
    classes[name] = aggregates[name].count;
  }
  // The root and "(GC roots)" have no distance from the roots.
  const orphans = snapshot._nodeDistances.subarray(2).filter(d => d < 0 || d >= 100000000).length;
  console.log(JSON.stringify(
      {nodes: snapshot.nodeCount, total: snapshot.totalSize, orphans, classes}));
});
