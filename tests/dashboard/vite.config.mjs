import { join } from 'node:path';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

// Grafana's modules read `process.env`, which a browser does not have.
export default defineConfig({
  plugins: [react()],
  resolve: { alias: [{ find: /^react-custom-scrollbars-2$/, replacement: join(import.meta.dirname, 'scrollbars.js') }] },
  define: { 'process.env': {}, global: 'globalThis' },
  build: { target: 'es2022', chunkSizeWarningLimit: 20000, sourcemap: false, minify: false },
});
