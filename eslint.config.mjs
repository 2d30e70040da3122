import js from "@eslint/js";
import tseslint from "typescript-eslint";

const ENVIRONMENT = {
  object: "process",
  property: "env",
  message: "Only the doors read the environment; take the value as an argument",
};

export default tseslint.config(
  { ignores: ["node_modules/", "toolchain/", "build/", "coverage/"] },
  js.configs.recommended,
  ...tseslint.configs.strictTypeChecked,
  ...tseslint.configs.stylisticTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      eqeqeq: ["error", "always"],
      "no-console": "error",
      "no-restricted-imports": [
        "error",
        {
          paths: [
            {
              name: "node:child_process",
              importNames: ["exec", "execSync"],
              message: "No shell: run programs with an argument array (execFile, spawn)",
            },
          ],
        },
      ],
      "no-restricted-syntax": [
        "error",
        {
          selector: "Property[key.name='shell'][value.value=true]",
          message: "No shell: run programs with an argument array",
        },
      ],
      "no-restricted-properties": ["error", ENVIRONMENT],
      "@typescript-eslint/consistent-type-imports": ["error", { fixStyle: "separate-type-imports" }],
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_" }],
      "@typescript-eslint/restrict-template-expressions": [
        "error",
        { allowNumber: true, allowBoolean: false, allowNullish: false, allow: [] },
      ],
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
    },
  },
  {
    files: ["src/**"],
    rules: {
      "no-restricted-syntax": [
        "error",
        {
          selector: "Property[key.name='shell'][value.value=true]",
          message: "No shell: run programs with an argument array",
        },
        {
          selector: "VariableDeclaration[kind=/using/]",
          message: "Node.js 22 cannot run `using`, and sources run as they are: use try and finally",
        },
      ],
    },
  },
  // They write out, or are told by, what variables they are given.
  {
    files: [
      "src/agent/config.ts",
      "src/cli/cni-main.mjs",
      "src/cli/docker-opts.ts",
      "src/cli/docker-plugin.ts",
      "src/cli/pod.ts",
    ],
    rules: { "no-restricted-properties": "off" },
  },
  {
    files: ["test/**", "scripts/**"],
    // Tests print what they measured.
    rules: { "no-restricted-properties": "off", "no-console": ["error", { allow: ["info"] }] },
  },
  { files: ["**/*.mjs"], ...tseslint.configs.disableTypeChecked },
);
