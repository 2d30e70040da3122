import ts from "typescript";

/** One module that a source file refers to. */
export interface ModuleImport {
  readonly specifier: string;
  /** Gone when the types are stripped, so the other module is not loaded. */
  readonly isTypeOnly: boolean;
  /** 1 for the first line. */
  readonly line: number;
}

/**
 * Every module that `text` refers to: import and export declarations, `import()`, `require()`, `import x =
 * require()`, and import types. A dynamic import whose module is computed has the specifier "<computed>".
 */
export function readImports(fileName: string, text: string): ModuleImport[] {
  const source = ts.createSourceFile(fileName, text, ts.ScriptTarget.Latest);
  const found: ModuleImport[] = [];
  const visit = (node: ts.Node): void => {
    const reference = referenceOf(node);
    if (reference !== null) {
      const { line } = source.getLineAndCharacterOfPosition(node.getStart(source));
      const { specifier, isTypeOnly } = reference;
      found.push({
        specifier:
          specifier !== undefined && ts.isStringLiteralLike(specifier) ? specifier.text : "<computed>",
        isTypeOnly,
        line: line + 1,
      });
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

interface Reference {
  readonly specifier: ts.Node | undefined;
  readonly isTypeOnly: boolean;
}

function referenceOf(node: ts.Node): Reference | null {
  if (ts.isImportDeclaration(node)) {
    // `import { type A }` still loads the module: only the clause as a whole can be a type's.
    const isTypeOnly = node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword;
    return { specifier: node.moduleSpecifier, isTypeOnly };
  }
  if (ts.isExportDeclaration(node) && node.moduleSpecifier !== undefined) {
    return { specifier: node.moduleSpecifier, isTypeOnly: node.isTypeOnly };
  }
  if (ts.isImportEqualsDeclaration(node) && ts.isExternalModuleReference(node.moduleReference)) {
    return { specifier: node.moduleReference.expression, isTypeOnly: node.isTypeOnly };
  }
  if (ts.isImportTypeNode(node)) {
    return {
      specifier: ts.isLiteralTypeNode(node.argument) ? node.argument.literal : undefined,
      isTypeOnly: true,
    };
  }
  if (ts.isCallExpression(node) && isLoader(node.expression)) {
    return { specifier: node.arguments[0], isTypeOnly: false };
  }
  return null;
}

function isLoader(callee: ts.Expression): boolean {
  return (
    callee.kind === ts.SyntaxKind.ImportKeyword || (ts.isIdentifier(callee) && callee.text === "require")
  );
}
