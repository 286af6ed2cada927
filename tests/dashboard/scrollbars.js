// Grafana imports this CommonJS module's default, which vite takes for the whole module.
export { Scrollbars as default } from 'react-custom-scrollbars-2/lib/index.js';
